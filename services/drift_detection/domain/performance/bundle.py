"""A bundle as its labels see it."""

import math
from functools import cached_property

from services.drift_detection.domain.performance.outcomes import Scorer
from services.drift_detection.domain.performance.risk import RiskBet
from services.drift_detection.domain.performance.words import STAGES, Schedule
from services.drift_detection.domain.watched import Watched
from shared.reference.panes import DAY, MICROSECONDS


class Assessed:
    """A bundle whose reference has a calibration. Times are microseconds since 1970 UTC."""

    def __init__(self, watched: Watched, scorer: Scorer) -> None:
        self.watched = watched
        self.scorer = scorer
        self.schedule = Schedule.of(watched.definition)

    @classmethod
    def of(cls, watched: Watched) -> "Assessed | None":
        """None where there is nothing to measure by."""
        calibration = watched.reference.calibration
        return None if calibration is None else cls(watched, Scorer(watched.reference, calibration))

    @cached_property
    def bet(self) -> RiskBet:
        """On its risk; the reference's bound is as sure as the margins of the detector's rates."""
        monitoring, budget = self.watched.definition.monitoring, self.watched.bank.budget
        return RiskBet.of(
            self.scorer.calibration, monitoring.risk_tolerance, budget.rate_level, monitoring.nominal_rows
        )

    @cached_property
    def ln_needed(self) -> float:
        """ln(A·F): the bet on risk has one of the F shares of the budget."""
        budget = self.watched.bank.budget
        return math.log(budget.steps * budget.streams)

    def due(self, start: int, stage: int) -> int:
        """When the window that begins at `start` is spoken of, in stage 1 to 5."""
        after = math.ceil(self.schedule.lateness + STAGES[stage - 1] * self.schedule.delay)
        return start + self.watched.pane + after

    def next_stage(self, start: int, time: int | None) -> int | None:
        """The first stage that is due after this time; None: the window takes no more labels."""
        reached = 0 if time is None else self.schedule.stage(time - start - self.watched.pane)
        return reached + 1 if reached < len(STAGES) else None

    @property
    def patience(self) -> int:
        """How far the rows' clock may be ahead of the labels': beyond it no more labels are waited for."""
        return len(STAGES) * self.schedule.delay + DAY * MICROSECONDS
