"""What people are shown of drift windows: a statistic over time, thinned to what a plot holds, and histograms."""

import math
from datetime import datetime, timedelta
from typing import Literal

from shared.batch import Role
from shared.errors import InvalidInput
from shared.events import CategoricalDrift, NumericDrift, Window
from shared.events.base import Digest, EventId, Finite, Record, UtcTime

Statistic = Literal[
    "psi", "ks", "wasserstein", "js", "chi_square", "missing_share", "out_of_range_share", "unseen_share", "mean"
]
Part = Literal["feature", "score"]
Drift = NumericDrift | CategoricalDrift
LOOK_BACK = timedelta(days=21)


class WindowSummary(Record):
    """One window [start, end) of event time, without its figures."""

    window_id: EventId
    revision: int
    digest: Digest
    role: Role
    start: UtcTime
    end: UtcTime
    rows: int
    repeats: int
    late_rows: int


class Figures(Record):
    """One feature or score in one window; None where a statistic does not apply or has no value."""

    name: str
    part: Part
    psi: Finite | None = None
    ks: Finite | None = None
    wasserstein: Finite | None = None
    js: Finite | None = None
    chi_square: Finite | None = None
    missing_share: Finite | None = None
    out_of_range_share: Finite | None = None
    unseen_share: Finite | None = None
    mean: Finite | None = None


def figures(window: Window) -> list[Figures]:
    """The statistics of every feature and score of a window."""
    known = set(Figures.model_fields) - {"part"}
    return [Figures(part=part, **drift.model_dump(include=known)) for part, drift in _streams(window)]


def stream_of(window: Window, part: Part, name: str) -> Drift | None:
    """One feature or score of a window, with its histogram."""
    return next((drift for found, drift in _streams(window) if (found, drift.name) == (part, name)), None)


def _streams(window: Window) -> list[tuple[Part, Drift]]:
    features: list[Drift] = [*window.numeric, *window.categorical]
    streams: list[tuple[Part, Drift]] = [("feature", drift) for drift in features]
    return streams + [("score", drift) for drift in window.scores]


class Bar(Record):
    """One bin or level: its share of the window's rows and of the reference's."""

    label: str
    window: float
    reference: float


def bars(drift: Drift, at_most: int = 20) -> list[Bar]:
    """A histogram against the reference. Neighbouring bins of a number are joined until there are `at_most`."""
    total = sum(drift.counts)
    shares = [count / total if total else 0.0 for count in drift.counts]
    if isinstance(drift, CategoricalDrift):
        return [
            Bar(label=level, window=share, reference=expected)
            for level, share, expected in zip(drift.levels, shares, drift.expected, strict=True)
        ]
    step = math.ceil(len(shares) / at_most) if shares else 1
    return [
        Bar(
            label=_range(drift.edges, first, min(first + step, len(shares))),
            window=sum(shares[first : first + step]),
            reference=sum(drift.expected[first : first + step]),
        )
        for first in range(0, len(shares), step)
    ]


def _range(edges: tuple[float, ...], first: int, after: int) -> str:
    """The name of the bins [first, after): bin i holds edges[i-1] <= x < edges[i], the outer ones are open."""
    low = f"{edges[first - 1]:.4g}" if 0 < first <= len(edges) else ""
    high = f"{edges[after - 1]:.4g}" if after <= len(edges) else ""
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"below {high}" if high else "all"


def bucket_seconds(start: datetime, end: datetime, points: int) -> int:
    """How wide, in whole seconds, a plot's point must be so that [start, end) gives at most `points`."""
    return max(1, math.ceil((end - start).total_seconds() / points))


def check_shapes(window: Window) -> None:
    """Refuse a window that could not be drawn.

    Raises:
        InvalidInput: a feature's counts and expected shares are not one per bin or level.
    """
    for _, drift in _streams(window):
        bins = len(drift.edges) + 1 if isinstance(drift, NumericDrift) else len(drift.levels)
        if not len(drift.counts) == len(drift.expected) == bins:
            raise InvalidInput(f"{drift.name}.counts", f"{bins} counts and {bins} expected shares")
