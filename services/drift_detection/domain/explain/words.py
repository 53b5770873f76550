"""An explanation in words: a line each, short enough for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from shared.events import DriftedFeature, DriftRule

_MOST_CHANGES = 3
_RULES: Mapping[DriftRule, str] = {
    "shift": "its mean moved",
    "spread": "its spread changed",
    "mix": "its mix changed",
    "shape": "its distribution changed",
    "missing": "another share is missing",
    "zeros": "another share is zero",
    "range": "another share lies out of the reference's range",
    "jump": "it jumped from one window to the next",
    "stuck": "it stands still",
    "risk": "the model's loss rose",
}


class Named(Protocol):
    """A slice as it is told."""

    @property
    def name(self) -> str: ...
    @property
    def change_inside(self) -> float: ...
    @property
    def change_outside(self) -> float: ...
    @property
    def p(self) -> float: ...


def histogram_changes(told: DriftedFeature) -> list[str]:
    """The bins or levels whose share changed most, the greatest change first."""
    moves = zip(_bins(told), told.expected, told.recent, strict=False)
    largest = sorted(moves, key=lambda move: -abs(move[2] - move[1]))[:_MOST_CHANGES]
    return [f"{name}: {before:.1%} -> {after:.1%}" for name, before, after in largest if before != after]


def _bins(told: DriftedFeature) -> list[str]:
    if told.levels:
        return [
            f"{told.name} {level}" if level == "rare or unseen" else f"{told.name}={level}" for level in told.levels
        ]
    return interval_names(told.name, told.edges) if told.edges else [told.name] * len(told.recent)


def interval_names(feature: str, edges: Sequence[float]) -> list[str]:
    """Of the bins between these edges, at least one."""
    inner = [f"{low:g} <= {feature} < {high:g}" for low, high in pairwise(edges)]
    return [f"{feature} < {edges[0]:g}", *inner, f"{feature} >= {edges[-1]:g}"]


def feature_lines(told: DriftedFeature, changes: Sequence[str]) -> Iterator[str]:
    """What is said of one feature, but for its slices."""
    size = "" if told.size is None else f", {told.measure} = {told.size:.2f}"
    weight = "" if told.importance is None else f", importance {told.importance:.3f}"
    since = "" if told.onset is None else f" since {told.onset:%Y-%m-%d %H:%M} UTC"
    yield f"{told.stream}: {_RULES[told.rule]} by {told.effect:.4g}{size}{weight}{since}; evidence {told.evidence:.3g}"
    if changes:
        yield f"  most changed: {'; '.join(changes)}"


def slice_line(found: Named, measure: str) -> str:
    """What is said of one slice."""
    return (
        f"  in {found.name}: {measure} changed by {found.change_inside:.4g},"
        f" elsewhere by {found.change_outside:.4g} (p = {found.p:.2g})"
    )
