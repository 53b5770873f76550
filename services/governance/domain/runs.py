"""What is known of a retraining run, folded from the events about it."""

from typing import Literal

from shared.events import (
    ChallengerEvaluated,
    RetrainingDecided,
    RetrainingFailed,
    RetrainingStarted,
    Score,
    SnapshotPin,
)
from shared.events.base import EventId, Finite, ModelName, Record, UtcTime

RunState = Literal["waiting", "running", "evaluated", "failed", "skipped"]
RunEvent = RetrainingDecided | RetrainingStarted | ChallengerEvaluated | RetrainingFailed


class RunDecision(Record):
    """run, wait or skip, when (event time) and why."""

    time: UtcTime
    decision: Literal["run", "wait", "skip"]
    reason: str


class Evaluation(Record):
    """Champion and challenger on the same holdout, as the run reported them; lower metrics are better."""

    metric: str
    champion: Score
    challenger: Score
    holdout_start: UtcTime
    holdout_end: UtcTime
    holdout_rows: int
    margin: Finite
    passed: bool
    reason: str


class Run(Record):
    """All times are event time. `time` is that of the newest event."""

    run_id: EventId
    incident_id: EventId
    model: ModelName
    state: RunState = "waiting"
    time: UtcTime
    features: tuple[str, ...] = ()
    decisions: tuple[RunDecision, ...] = ()
    wait_until: UtcTime | None = None
    snapshot: SnapshotPin | None = None
    evaluation: Evaluation | None = None
    failure: str | None = None


def run_after(known: Run | None, event: RunEvent) -> Run:
    """The run after one more event."""
    run = known or Run(run_id=event.run_id, incident_id=event.incident_id, model=event.model, time=event.time)
    return run.model_copy(update={"time": max(run.time, event.time), **_news(run, event)})


def _news(run: Run, event: RunEvent) -> dict[str, object]:
    match event:
        case RetrainingDecided():
            return _decided(run, event)
        case RetrainingStarted():
            return {"state": "running", "snapshot": event.snapshot}
        case RetrainingFailed():
            return {"state": "failed", "failure": f"{event.step}: {event.reason}"}
        case ChallengerEvaluated():
            return {"state": "evaluated", "evaluation": evaluation_of(event)}


def _decided(run: Run, event: RetrainingDecided) -> dict[str, object]:
    states: dict[str, RunState] = {"run": "running", "wait": "waiting", "skip": "skipped"}
    decision = RunDecision(time=event.time, decision=event.decision, reason=event.reason)
    return {
        "state": states[event.decision],
        "features": event.features,
        "decisions": (*run.decisions, decision),
        "wait_until": event.wait_until or run.wait_until,
    }


def evaluation_of(event: ChallengerEvaluated) -> Evaluation:
    """The part of the event that says how good the challenger is."""
    return Evaluation.model_validate({name: getattr(event, name) for name in Evaluation.model_fields})
