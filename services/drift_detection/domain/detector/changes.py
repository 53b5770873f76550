"""From pane to pane: has a feature's mean jumped by more than it ever does by itself, or does it stand still?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask
from services.drift_detection.domain.detector.budget import Budget
from shared.reference import NumericProfile, Reference
from shared.reference.flats import same_means
from shared.reference.jumps import GAPS
from shared.reference.panes import DAY, MICROSECONDS, Int64, pane_of_day

ASSUMPTION = "natural jumps between panes have a Pareto tail of index 4 or more"
# A jump's part of the budget, 0.1: with its weight, evidence 1/alpha alone makes the sum over all streams reach it.
ALARM_BUDGET = 0.1
_LEAST_ALARM = 8.0
_BESIDE_BUDGET = 0.05
_LEAST_BESIDE = 5.0
_NEVER = -(2**62)


def jump_level(budget: Budget) -> float:
    """alpha = .1/(A·F)."""
    return ALARM_BUDGET / (budget.steps * budget.streams)


@dataclass(frozen=True)
class LastPane:
    """Per column the last pane in which it had rows: `start` int64 [N] (before all time if none); rows and their sums
    on the grid by fine bin, `counts`, `sums` int64 [N, 60].
    """

    start: Int64
    counts: Int64
    sums: Int64

    @classmethod
    def nothing(cls, columns: int, bins: int) -> Self:
        """Before the first pane."""
        return cls(np.full(columns, _NEVER), np.zeros((columns, bins), np.int64), np.zeros((columns, bins), np.int64))

    def after(self, start: int, counts: Int64, sums: Int64) -> Self:
        """With a later pane seen."""
        there: Mask = counts.sum(axis=1) > 0
        rows = there[:, None]
        return type(self)(
            np.where(there, start, self.start), np.where(rows, counts, self.counts), np.where(rows, sums, self.sums)
        )


@dataclass(frozen=True)
class Comparison:
    """Of N columns bool [N]: which could be `compared` with an earlier pane, and with the one just before, `adjacent`;
    which `jumped`, by enough to alarm or to be named `beside` an alarm; which are `flat`. `z` and the jump in the
    feature's unit, `effect`, float64 [N].
    """

    compared: Mask
    adjacent: Mask
    jumped: Mask
    beside: Mask
    flat: Mask
    z: Float64
    effect: Float64


class Changes:
    """Compares panes of the columns of some references of one model, in order of time."""

    def __init__(self, references: Sequence[Reference], budget: Budget) -> None:
        profiles = [profile for reference in references for profile in reference.columns]
        jumps = [profile.jumps for profile in profiles]
        self._zone, self._seconds = references[0].time_zone, references[0].pane_seconds
        self._centre = np.concatenate([reference.measure.centre for reference in references])
        self._step = np.concatenate([reference.measure.step for reference in references])
        self._within = np.array([one.within for one in jumps])
        self._between = np.array([one.between for one in jumps], np.float64).reshape(len(jumps), GAPS)
        expected = [one.level if level is None else level for one in jumps for level in one.pane_levels]
        self._expected = np.array(expected, np.float64).reshape(len(jumps), DAY // self._seconds)
        self._limit = _limits(profiles, jump_level(budget), _LEAST_ALARM)
        self._beside = _limits(profiles, _BESIDE_BUDGET / budget.streams, _LEAST_BESIDE)

    def limits(self, *, beside: bool = False) -> Float64:
        """The z beyond which a column jumped, or beside another's alarm moved, float64 [N]."""
        return self._beside if beside else self._limit

    def compare(self, start: int, counts: Int64, sums: Int64, last: LastPane) -> Comparison:
        """A pane's counts and sums int64 [N, 60] against the last pane of each column that had rows."""
        rows, rows_before = counts.sum(axis=1), last.counts.sum(axis=1)
        compared = (rows > 0) & (rows_before > 0)
        before = np.where(compared, last.start, start)
        now = self._deviation(rows, sums, np.full(len(rows), start))
        effect = np.where(compared, now - self._deviation(rows_before, last.sums, before), 0.0)
        gap = np.clip((start - before) // (self._seconds * MICROSECONDS), 1, GAPS)
        noise = self._within * (1 / np.maximum(rows, 1) + 1 / np.maximum(rows_before, 1))
        z = np.abs(effect) / np.sqrt(noise + self._between[np.arange(len(rows)), gap - 1])
        adjacent = compared & (start - before == self._seconds * MICROSECONDS)
        flat = adjacent & same_means(counts, sums, last.counts, last.sums)
        return Comparison(compared, adjacent, z > self._limit, z > self._beside, flat, z, effect)

    def _deviation(self, rows: Int64, sums: Int64, starts: Int64) -> Float64:
        """Means minus what the reference has in that pane of the day."""
        moments, where = np.unique(starts, return_inverse=True)  # a few: most columns have rows in each pane
        panes = np.array([pane_of_day(start, self._zone, self._seconds) for start in moments.tolist()], np.int64)
        mean = self._centre + self._step * (sums.sum(axis=1) / np.maximum(rows, 1))
        return np.asarray(mean - self._expected[np.arange(len(rows)), panes[where]])


def _limits(profiles: Sequence[NumericProfile], alpha: float, least: float) -> Float64:
    """Infinite where the reference has too few pairs of panes to judge by."""
    found = [one.jumps.limit(alpha, least) if one.jumps.assessed else np.inf for one in profiles]
    return np.array(found, dtype=np.float64)
