"""Rows of a window against what the reference has in that pane of the local day and week; and no rows at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log

import numpy as np
from scipy import special

from shared.events.quality import Finding
from shared.reference import Reference, Volume

# The reference holds the rows that have a label, and some never get one.
TOLERANCE = 0.05
MAJOR = 0.5


@dataclass(frozen=True)
class Expected:
    """Rows of a window: their mean, and the bounds that a clean one keeps within."""

    rows: float
    low: float
    high: float

    def find(self, rows: int) -> list[Finding]:
        """Too few or too many."""
        if self.low <= rows <= self.high:
            return []
        few = rows < self.low
        return [
            Finding(
                feature=None,
                kind="few_rows" if few else "many_rows",
                value=rows,
                expected=self.rows,
                low=self.low,
                high=self.high,
                severity="major" if abs(rows - self.rows) >= MAJOR * self.rows else "minor",
            )
        ]


def expect(reference: Reference, start: int, share: float, level: float) -> Expected | None:
    """What the pane that begins at `start` should hold where the champion answers that `share` of all rows.

    Counts are taken to be negative binomial with the reference's variance; each bound is passed at `level` by chance.
    None where the reference has no volume.
    """
    if reference.volume is None:
        return None
    mean, days = reference.volume.expect(start, reference.time_zone, reference.pane_seconds)
    mean *= share
    low, high = _quantiles(mean, reference.volume.variance(mean, days), level)
    return Expected(mean, max(0.0, low - TOLERANCE * mean), high + TOLERANCE * mean)


def _quantiles(mean: float, variance: float, level: float) -> tuple[float, float]:
    levels = np.array([level, 1 - level])
    if variance <= mean * (1 + 1e-9):
        found = special.pdtrik(levels, mean)
    else:
        found = special.nbdtrik(levels, mean**2 / (variance - mean), mean / variance)
    low, high = np.ceil(np.nan_to_num(found)).tolist()  # not a number where even 0 is more than the level
    return low, high


def silent_after(reference: Reference, panes: Iterable[int], share: float, level: float) -> int | None:
    """With how many of successive empty panes, given by their starts, there are too many to be chance.

    None while there may be chance in it, or no volume. The days' swing is taken to be the same in all of them.
    """
    volume = reference.volume
    if volume is None:
        return None
    total = 0.0
    for number, start in enumerate(panes, 1):
        mean, days = volume.expect(start, reference.time_zone, reference.pane_seconds)
        total += mean * share
        if _chance_of_none(volume, total, days) <= level:
            return number
    return None


def _chance_of_none(volume: Volume, mean: float, days: int) -> float:
    variance = volume.variance(mean, days)
    if variance <= mean * (1 + 1e-9):
        return exp(-mean)
    return exp(log(mean / variance) * mean**2 / (variance - mean))
