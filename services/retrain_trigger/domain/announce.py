"""The events of a run that has begun; a run's events carry the event time from which its labels sufficed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.retrain_trigger.domain.runs import Run
from shared.events import ChallengerEvaluated, RetrainingFailed, RetrainingStarted, Score, SnapshotPin, stable_id


@dataclass(frozen=True)
class Contest:
    """Champion and challenger on the same holdout, and the gate's word."""

    metric: str
    margin: float
    champion: Mapping[str, float]
    challenger: Mapping[str, float]
    challenger_digest: str
    holdout_start: datetime
    holdout_end: datetime
    holdout_rows: int
    passed: bool
    reason: str


def started(run: Run, pin: SnapshotPin) -> RetrainingStarted:
    """The run's rows are pinned."""
    return RetrainingStarted(
        id=stable_id("RetrainingStarted", run.run_id),
        time=_time(run),
        model=run.model,
        run_id=run.run_id,
        incident_id=run.incident_id,
        snapshot=pin,
    )


def failed(run: Run, step: str, reason: str) -> RetrainingFailed:
    """The run ended without a challenger."""
    return RetrainingFailed(
        id=stable_id("RetrainingFailed", run.run_id),
        time=_time(run),
        model=run.model,
        run_id=run.run_id,
        incident_id=run.incident_id,
        step=step,
        reason=reason,
    )


def evaluated(run: Run, contest: Contest) -> ChallengerEvaluated:
    """The run has made a challenger."""
    return ChallengerEvaluated(
        id=stable_id("ChallengerEvaluated", run.run_id),
        time=_time(run),
        model=run.model,
        run_id=run.run_id,
        incident_id=run.incident_id,
        metric=contest.metric,
        champion=Score(digest=run.digest, metrics=dict(contest.champion)),
        challenger=Score(digest=contest.challenger_digest, metrics=dict(contest.challenger)),
        holdout_start=contest.holdout_start,
        holdout_end=contest.holdout_end,
        holdout_rows=contest.holdout_rows,
        margin=contest.margin,
        passed=contest.passed,
        reason=contest.reason,
    )


def _time(run: Run) -> datetime:
    return run.labelled_at or run.alarmed_at
