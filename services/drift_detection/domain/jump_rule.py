"""The jump rule: a feature's mean changed from one pane to the next by more than it ever does by itself."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from shared.events import DriftedFeature
from shared.reference import NumericProfile, Reference
from shared.reference.measure import GRID
from shared.reference.panes import MICROSECONDS, Int64, pane_of_day

ASSUMPTION = "natural jumps between panes have a Pareto tail of index 4 or more"
NEVER = -(2**62)
# The jump rule's part of the budget, 0.1: evidence 1/alpha alone makes the sum over all streams reach it.
ALARM_BUDGET = 0.1
LEAST_ALARM = 8.0
BESIDE_BUDGET = 0.05
LEAST_BESIDE = 5.0
MAJOR = 0.5


@dataclass(frozen=True)
class PaneSums:
    """One pane of N numeric features: its start, rows not missing and their sum on the grid, int64 [N]."""

    start: int
    present: Int64
    sums: Int64


@dataclass(frozen=True)
class LastSeen:
    """Per feature the last pane in which it had rows: start (NEVER if none), rows and sum, int64 [N]."""

    start: Int64
    present: Int64
    sums: Int64

    @classmethod
    def nothing(cls, features: int) -> Self:
        """Before the first pane."""
        none: Int64 = np.zeros(features, dtype=np.int64)
        return cls(np.full(features, NEVER), none, none)

    def after(self, pane: PaneSums) -> "LastSeen":
        """With a later pane seen."""
        new = pane.present > 0
        return LastSeen(
            np.where(new, pane.start, self.start),
            np.where(new, pane.present, self.present),
            np.where(new, pane.sums, self.sums),
        )


@dataclass(frozen=True)
class Verdict:
    """Features whose jump passes the limit of an alarm, and those that moved beside them."""

    alarms: tuple[DriftedFeature, ...] = ()
    also_moved: tuple[DriftedFeature, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The alarmed features."""
        return frozenset(feature.name for feature in self.alarms)


@dataclass(frozen=True)
class _Limit:
    alpha: float
    z: tuple[float, ...]

    def passed(self, profile: NumericProfile, column: int, z: float, effect: float) -> DriftedFeature | None:
        if z <= self.z[column]:
            return None
        return DriftedFeature(
            name=profile.name,
            rule="jump",
            statistic=z,
            threshold=self.z[column],
            evidence=1 / self.alpha,
            effect=effect,
        )


class JumpRule:
    """Judges panes of a reference's numeric features, in order of time.

    F counts the streams that share the budget: numeric features, categorical features and scores, in one segment and
    on one scale. Only numeric features have jumps; the others share because their own rules do. A is `panes`, steps
    of a stream in the budget period. An alarm needs z beyond the limit at alpha = 0.1/(A·F), at least 8; its evidence
    is 1/alpha. A feature moved beside it at alpha = 0.05/F, at least 5.
    """

    def __init__(self, reference: Reference, panes: float) -> None:
        self.panes = panes
        self.streams = len(reference.columns) + len(reference.categorical)
        self._profiles = reference.numeric
        self._measure = reference.measure
        self._zone, self._seconds = reference.time_zone, reference.pane_seconds
        self._alarm = self._limits(ALARM_BUDGET / (panes * self.streams), LEAST_ALARM)
        self._beside = self._limits(BESIDE_BUDGET / self.streams, LEAST_BESIDE)

    def _limits(self, alpha: float, least: float) -> _Limit:
        return _Limit(alpha, tuple(profile.jumps.limit(alpha, least) for profile in self._profiles))

    @property
    def not_assessed(self) -> tuple[str, ...]:
        """Features whose reference has too few pairs of panes to judge a jump by."""
        return tuple(profile.name for profile in self._profiles if not profile.jumps.assessed)

    def judge(self, pane: PaneSums, before: LastSeen) -> Verdict:
        """What jumped in this pane, against the last non-empty pane of each feature."""
        alarms, beside = [], []
        comparable = (pane.present > 0) & (before.start != NEVER)
        for column in np.flatnonzero(comparable).tolist():
            profile = self._profiles[column]
            if not profile.jumps.assessed:
                continue
            z, effect = self._jump(pane, before, column)
            if alarm := self._alarm.passed(profile, column, z, effect):
                alarms.append(alarm)
            elif moved := self._beside.passed(profile, column, z, effect):
                beside.append(moved)
        return Verdict(tuple(alarms), tuple(beside)) if alarms else Verdict()

    def _jump(self, pane: PaneSums, before: LastSeen, column: int) -> tuple[float, float]:
        """z and the jump in the feature's unit."""
        jumps = self._profiles[column].jumps
        rows, rows_before = int(pane.present[column]), int(before.present[column])
        start, start_before = pane.start, int(before.start[column])
        now = self._deviation(column, start, int(pane.sums[column]) / rows)
        then = self._deviation(column, start_before, int(before.sums[column]) / rows_before)
        gap = (start - start_before) // (self._seconds * MICROSECONDS)
        return abs(now - then) / jumps.deviation(gap, rows, rows_before), now - then

    def _deviation(self, column: int, start: int, place: float) -> float:
        """A pane's mean, given as its place on the grid, minus what the reference has in that pane of the day."""
        value = float(self._measure.centre[column]) + float(self._measure.step[column]) * place
        return value - self._profiles[column].jumps.expected(pane_of_day(start, self._zone, self._seconds))

    def is_major(self, verdict: Verdict) -> bool:
        """Whether an alarm is worth more than a note: some alarmed feature jumped by half a standard deviation.

        The deviation is that of all its clipped values in the reference; half of it is Cohen's "medium" effect
        (Cohen, Statistical Power Analysis, 1988). What is certain but smaller than that is real but tiny.
        """
        spread = {profile.name: standard_deviation(profile) for profile in self._profiles}
        return any(abs(alarm.effect) >= MAJOR * spread[alarm.name] for alarm in verdict.alarms)


def standard_deviation(profile: NumericProfile) -> float:
    """Of the clipped values of the reference, in the feature's unit; 0 where there are none."""
    low, high = profile.clip.bounds
    rows = max(profile.rows, 1)
    mean = sum(profile.sums) / rows
    return float((high - low) / GRID * max(profile.squares / rows - mean**2, 0.0) ** 0.5)
