"""Charts and tables for docs/: SVG of the standard library alone, readable on a light and on a dark page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 40, 48
# Okabe and Ito's colours, which the colour-blind tell apart; the darkest and the lightest are left out for both pages.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98", "#b5482f")
DASHES = ("", "7 4", "2 3")
STYLE = (
    "<style>svg{color:#1f2328;background:#fff;font:12px system-ui,sans-serif}text{fill:currentColor}"
    ".grid{stroke:currentColor;stroke-opacity:.15}.line{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>"
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A label and a scale. On a log scale values must be positive."""

    label: str
    log: bool = False


@dataclass(frozen=True)
class _Scale:
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values within."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
            few = every if len(powers) <= 3 else every[::3]
        else:
            step = _round_step((self.high - self.low) / 5)
            few = [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [value for value in few if self.low * 0.999 <= value <= self.high * 1.001]


def line_chart(series: Mapping[str, Points], title: str, x: Axis, y: Axis) -> str:
    """An SVG with one line for each series, in their order.

    Raises:
        ValueError: no series has a point, or a value is not positive on a log scale.
    """
    points = [point for line in series.values() for point in line]
    across = _scale([point[0] for point in points], x, LEFT, WIDTH - RIGHT)
    up = _scale([point[1] for point in points], y, HEIGHT - BOTTOM, TOP)
    parts = [*_frame(x, y, across, up)]
    for number, (name, line) in enumerate(series.items()):
        parts += _line(number, [(across(a), up(b)) for a, b in line])
        parts += _legend(number, name)
    return _svg(title, parts, HEIGHT)


def bar_chart(bars: Mapping[str, float], title: str, axis: Axis) -> str:
    """An SVG with one bar for each value, in their order, the value beside it. On a log scale 0 has no bar.

    Raises:
        ValueError: there is no bar, a value is negative, or all are 0.
    """
    shown = [value for value in bars.values() if value > 0]
    if not shown or min(bars.values()) < 0:
        raise ValueError("bars: some must be above 0 and none below")
    across = _scale([min(shown) / 2 if axis.log else 0, max(shown)], axis, RIGHT, WIDTH - LEFT)
    height = TOP + 26 * len(bars) + BOTTOM
    parts = [
        line
        for tick in across.ticks()
        for line in _tick(_number(tick), (across(tick), TOP - 6), (across(tick), height - BOTTOM), across=True)
    ]
    parts.append(_text(axis.label, (RIGHT + WIDTH - LEFT) / 2, height - 10, "middle"))
    for number, (name, value) in enumerate(bars.items()):
        parts += _bar(name, value, TOP + 26 * number, across)
    return _svg(title, parts, height)


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """A Markdown table; its columns are all keys in the order in which they first come, absent values empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [[str(row.get(name, "")).replace("|", "\\|") for name in names] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, ["---"] * len(names), *lines])


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> _Scale:
    if not values:
        raise ValueError(f"{axis.label}: there is nothing to draw")
    low, high = min(values), max(values)
    if axis.log and low <= 0:
        raise ValueError(f"{axis.label}: {low} has no place on a log scale")
    if low == high:
        low, high = (low / 2, high * 2) if axis.log else (low - 0.5, high + 0.5)
    return _Scale(low, high, start, end, axis.log)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * 0.999)


def _frame(x: Axis, y: Axis, across: _Scale, up: _Scale) -> list[str]:
    parts = []
    for tick in across.ticks():
        parts += _tick(_number(tick), (across(tick), TOP), (across(tick), HEIGHT - BOTTOM), across=True)
    for tick in up.ticks():
        parts += _tick(_number(tick), (LEFT, up(tick)), (WIDTH - RIGHT, up(tick)), across=False)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(_text(x.label, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "middle"))
    parts.append(f'<g transform="rotate(-90 16 {middle:g})">{_text(y.label, 16, middle, "middle")}</g>')
    return parts


def _tick(label: str, start: tuple[float, float], end: tuple[float, float], *, across: bool) -> list[str]:
    line = f'<path class="grid" d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"/>'
    place = (end[0], end[1] + 16, "middle") if across else (start[0] - 6, start[1] + 4, "end")
    return [line, _text(label, *place)]


def _line(number: int, places: Points) -> list[str]:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    dots = [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return [f'<path class="line" stroke="{colour}" stroke-dasharray="{dash}" d="M{path}"/>', *dots] if places else []


def _legend(number: int, name: str) -> list[str]:
    left, height = WIDTH - RIGHT + 14, TOP + 8 + 20 * number
    return [*_line(number, [(left, height), (left + 22, height)]), _text(name, left + 30, height + 4, "start")]


def _bar(name: str, value: float, top: float, across: _Scale) -> list[str]:
    end = across(value) if value > 0 else across.start
    box = f'<rect x="{across.start:g}" y="{top:g}" width="{end - across.start:.1f}" height="18" fill="{COLOURS[0]}"/>'
    label = _text(name, across.start - 8, top + 13, "end")
    return [label, box, _text(_number(value), end + 6, top + 13, "start")]


def _text(words: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _svg(title: str, parts: Sequence[str], height: float) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"'
    name = escape(title)
    heading = f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-weight="600">{name}</text>'
    return (
        "\n".join([f'{head} aria-label="{name}">', f"<title>{name}</title>", STYLE, heading, *parts, "</svg>"]) + "\n"
    )
