"""How a feature's mean jumps from pane to pane in the reference: what a jump in a stream is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.events.base import Finite, Record
from shared.reference.panes import MICROSECONDS, Int64, local_day, pane_of_day, pane_starts

Float64 = NDArray[np.float64]

GAPS = 8
LEAST_PAIRS_OF_GAP = 20
LEAST_PAIRS = 100
LEAST_SPREAD = 0.02  # of the clip width: the least natural change between two panes
TAIL_INDEX = 4  # natural jumps are taken to have a Pareto tail of at least this index


class Jumps(Record):
    """The natural jumps of one numeric feature, over `pairs` of successive non-empty panes.

    `level` is the mean of all clipped values, `pane_levels` the mean of each pane of the local day (None: never seen).
    `within` is σ², the variance inside a pane; `between` holds τ_g², the variance of the change that is natural over
    a gap of g = 1..8 panes (8 stands for more, too). `tail` holds (k, z): the k-th largest of the reference's own z,
    those k only that can set a limit.
    """

    level: Finite
    pane_levels: tuple[Finite | None, ...]
    within: Finite = Field(ge=0)
    between: tuple[Finite, ...] = Field(min_length=GAPS, max_length=GAPS)
    pairs: int = Field(ge=0)
    tail: tuple[tuple[int, Finite], ...]

    def expected(self, pane: int) -> float:
        """The reference's mean in that pane of the local day; the whole mean for a pane never seen."""
        seen = self.pane_levels[pane]
        return self.level if seen is None else seen

    def deviation(self, gap: int, rows: int, rows_before: int) -> float:
        """√(σ²(1/n + 1/n') + τ_g²): the size of a natural jump between panes of n and n' rows, g panes apart."""
        return float(np.sqrt(self.within * (1 / rows + 1 / rows_before) + self.between[min(gap, GAPS) - 1]))

    @property
    def assessed(self) -> bool:
        """Whether there are pairs enough to judge jumps at all."""
        return self.pairs >= LEAST_PAIRS

    def limit(self, alpha: float, least: float) -> float:
        """The z that natural jumps pass with probability alpha per pane at most, and at least `least`.

        max(least, max_{k ≤ P/10} z_(k)·max(1, k/(P·alpha))^(1/4)): a Pareto tail of index 4 or more, laid through
        each of the largest z.
        """
        scaled = (z * max(1.0, k / (self.pairs * alpha)) ** (1 / TAIL_INDEX) for k, z in self.tail)
        return max(least, *scaled) if self.tail else least


@dataclass(frozen=True)
class PaneMeans:
    """Non-empty panes of one feature in order of time: `start` and `rows` int64 [P], `mean` float64 [P].

    `within` is σ²: the mean squared distance of all values to the mean of their pane.
    """

    start: Int64
    rows: Int64
    mean: Float64
    within: float

    def in_units(self, centre: float, step: float) -> "PaneMeans":
        """The same, from places on a grid to the feature's unit."""
        return PaneMeans(self.start, self.rows, centre + step * self.mean, step**2 * self.within)


def pane_means(times: Int64, places: Float64, seconds: int) -> PaneMeans:
    """Means of places on the grid float64 [n] (none missing) by the pane of their times int64 [n]."""
    starts, where = np.unique(pane_starts(times, seconds), return_inverse=True)
    rows = np.bincount(where, minlength=len(starts))
    mean = np.bincount(where, weights=places, minlength=len(starts)) / rows
    within = float(np.square(places - mean[where]).mean()) if len(places) else 0.0
    return PaneMeans(starts, rows, mean, within)


def find_jumps(panes: PaneMeans, width: float, zone: str, seconds: int) -> Jumps:
    """The natural jumps of a feature with P non-empty panes of so many seconds; `width` is that of its clip range."""
    places = np.array([pane_of_day(int(start), zone, seconds) for start in panes.start], dtype=np.int64)
    sums = panes.mean * panes.rows
    levels = _levels(places, sums, panes.rows, 86_400 // seconds)
    change = np.diff(panes.mean - np.array([levels[place] or 0.0 for place in places.tolist()]))
    gap = np.minimum(np.diff(panes.start) // (seconds * MICROSECONDS), GAPS)
    noise = panes.within * (1 / panes.rows[1:] + 1 / panes.rows[:-1])
    between = _between(change, gap, noise, (LEAST_SPREAD * width) ** 2)
    z = np.abs(change) / np.sqrt(noise + np.array(between)[gap - 1])
    return Jumps(
        level=float(sums.sum() / panes.rows.sum()) if len(sums) else 0.0,
        pane_levels=levels,
        within=panes.within,
        between=between,
        pairs=len(change),
        tail=_tail(z.tolist()),
    )


def _levels(places: Int64, sums: Float64, rows: Int64, panes: int) -> tuple[float | None, ...]:
    total = np.bincount(places, weights=sums, minlength=panes)
    count = np.bincount(places, weights=rows, minlength=panes)
    return tuple(float(s / n) if n else None for s, n in zip(total.tolist(), count.tolist(), strict=True))


def _between(change: Float64, gap: Int64, noise: Float64, least: float) -> tuple[float, ...]:
    """τ_g² per gap: the mean of d² - σ²(1/n + 1/n'); a gap with few pairs takes the largest of the others."""
    excess = change**2 - noise
    own = {
        g: max(least, float(excess[gap == g].mean()))
        for g in range(1, GAPS + 1)
        if (gap == g).sum() >= LEAST_PAIRS_OF_GAP
    }
    others = max(own.values(), default=max(least, float(excess.mean()) if len(excess) else 0.0))
    return tuple(own.get(g, others) for g in range(1, GAPS + 1))


def _tail(z: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """The largest P/10 of P, without those that set no limit at any alpha.

    For k beyond P·alpha a limit grows as z_(k)·k^(1/4), so k counts only if no larger k has a greater one; for the
    others it is z_(k) itself, so only k = 1 counts.
    """
    largest = sorted(z, reverse=True)[: len(z) // 10]
    kept: list[tuple[int, float]] = []
    best = 0.0
    for k in range(len(largest), 0, -1):
        height = largest[k - 1] * k ** (1 / TAIL_INDEX)
        if height > best or k == 1:
            kept.append((k, largest[k - 1]))
            best = max(best, height)
    return tuple(reversed(kept))


def day_means(panes: PaneMeans, zone: str) -> Float64:
    """Means of each local day that has rows, float64 [D], in order of time."""
    days = [local_day(int(start), zone) for start in panes.start]
    _, where = np.unique(np.array(days, dtype=np.int64), return_inverse=True)
    sums = np.bincount(where, weights=panes.mean * panes.rows)
    return sums / np.bincount(where, weights=panes.rows)
