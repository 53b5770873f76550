"""A histogram as SVG shapes: no script, no style, so it needs no leave of the content policy."""

from dataclasses import dataclass

from services.governance.domain.windows import Bar

WIDTH, HEIGHT, GAP = 720.0, 200.0, 0.18


@dataclass(frozen=True)
class Shape:
    """One bar: x and widths of its reference and its window, heights from the base line, in SVG units."""

    bar: Bar
    x: float
    width: float
    reference_height: float
    window_height: float


def shapes(bars: list[Bar]) -> list[Shape]:
    """The bars scaled so that the highest one fills the height."""
    highest = max((max(bar.window, bar.reference) for bar in bars), default=0.0) or 1.0
    pitch = WIDTH / max(1, len(bars))
    return [
        Shape(
            bar=bar,
            x=round(pitch * (position + GAP / 2), 2),
            width=round(pitch * (1 - GAP), 2),
            reference_height=round(HEIGHT * bar.reference / highest, 2),
            window_height=round(HEIGHT * bar.window / highest, 2),
        )
        for position, bar in enumerate(bars)
    ]
