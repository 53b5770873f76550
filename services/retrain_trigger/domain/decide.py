"""Whether an incident retrains: run, wait or skip, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.retrain_trigger.domain.runs import Run, decided, named_features, run_id, waiting_times
from shared.cloudevents import rfc3339
from shared.definition import ModelDefinition
from shared.events import DriftDetected, DriftResolved, DriftRetracted, RetrainingDecided

Word = Literal["run", "wait", "skip"]
STATES: dict[Word, Literal["running", "waiting", "skipped"]] = {"run": "running", "wait": "waiting", "skip": "skipped"}


@dataclass(frozen=True)
class View:
    """What a decision looks at: the model's runs so far, whether another champion has replaced the one that drifted,
    and how far the labels of its rows since the onset have come (None: not as far as is needed).
    """

    runs: Sequence[Run] = ()
    was_replaced: bool = False
    labelled_to: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """A run as it is after a decision, and the event that says so."""

    run: Run
    event: RetrainingDecided


def decide(incident: DriftDetected, definition: ModelDefinition, view: View) -> Outcome | None:
    """The decision on an incident; None if it has had one that still holds.

    A run that was skipped because the incident was minor is decided anew when it becomes major.

    Raises:
        InvalidInput: the incident's onset is out of bounds.
    """
    known = next((run for run in view.runs if run.incident_id == incident.incident_id), None)
    if known is not None and not _has_grown(known, incident):
        return None
    wait_until, labelled_at = waiting_times(incident.onset, definition)
    run = opened(incident, known).model_copy(update={"wait_until": wait_until, "labelled_at": labelled_at})
    against = _against(incident, definition, view) or _cooldown(run, definition, view)
    if against is not None:
        return concluded(run, "skip", against, incident.time)
    return _when_labelled(run, view) or concluded(run, "wait", _missing(run, definition), incident.time)


def reconsider(run: Run, view: View) -> Outcome | None:
    """The decision on a waiting run: skip it, run it, or None while it still waits."""
    if view.was_replaced:
        return concluded(run, "skip", "another champion serves since the alarm", run.alarmed_at)
    return _when_labelled(run, view)


def ended(run: Run, cause: DriftRetracted | DriftResolved) -> Outcome | None:
    """The decision on a run whose incident is over; None if the run no longer waits."""
    if run.state != "waiting":
        return None
    if isinstance(cause, DriftRetracted):
        return concluded(run, "skip", "the alarm was retracted: late rows took it back", cause.time)
    reasons = {"champion_changed": "another champion serves", "quiet": "its features are quiet and back in range"}
    return concluded(run, "skip", f"the incident was resolved: {reasons[cause.reason]}", cause.time)


def unusable(incident: DriftDetected, view: View, reason: str) -> Outcome | None:
    """The decision to skip an incident of a champion that can't be read; None if it has had a decision."""
    if any(run.incident_id == incident.incident_id for run in view.runs):
        return None
    return concluded(opened(incident, None), "skip", reason, incident.time)


def opened(incident: DriftDetected, known: Run | None) -> Run:
    """The incident's run before its next decision."""
    return Run(
        run_id=run_id(incident.incident_id),
        incident_id=incident.incident_id,
        model=incident.model,
        digest=incident.digest,
        revision=incident.revision,
        severity=incident.severity,
        features=named_features(incident),
        onset=incident.onset,
        alarmed_at=incident.time,
        state="skipped",
        reason="not decided yet",
        decisions=known.decisions if known else 0,
    )


def concluded(run: Run, word: Word, reason: str, time: datetime) -> Outcome:
    """The run after a decision whose cause has this event time."""
    after = run.model_copy(update={"state": STATES[word], "reason": reason, "decisions": run.decisions + 1})
    return Outcome(after, decided(after, word, time))


def _has_grown(known: Run, incident: DriftDetected) -> bool:
    was_minor = known.state == "skipped" and known.severity == "minor"
    return was_minor and incident.revision > known.revision and incident.severity == "major"


def _against(incident: DriftDetected, definition: ModelDefinition, view: View) -> str | None:
    if incident.role != "champion":
        return f"only a champion's drift retrains, this is a {incident.role}'s"
    if incident.severity == "minor":
        return "severity minor: the drift is real, but too small to retrain for"
    if view.was_replaced:
        return "another champion serves since the alarm"
    if definition.training is None:
        return "the definition names no training function"
    return None


def _cooldown(run: Run, definition: ModelDefinition, view: View) -> str | None:
    """Runs start when their wait is over, so it is these times that must lie `cooldown_days` apart; those of one time
    are of one drift, which was retracted and came back.
    """
    pause = timedelta(days=definition.retraining.cooldown_days)
    for other in view.runs:
        shared = [name for name in run.features if name in other.features]
        counts = other.state in ("waiting", "running", "evaluated") and shared
        if not (counts and other.wait_until and run.wait_until):
            continue
        apart = abs(run.wait_until - other.wait_until)
        if apart < pause or not apart:
            names = ", ".join(shared)
            days = definition.retraining.cooldown_days
            return f"cooldown of {days:g} days: run {other.run_id} is for {names}, too ({rfc3339(other.wait_until)})"
    return None


def _when_labelled(run: Run, view: View) -> Outcome | None:
    if run.labelled_at is None or view.labelled_to is None or view.labelled_to < run.labelled_at:
        return None
    reason = f"labels have come up to {rfc3339(view.labelled_to)}"
    return concluded(run, "run", reason, run.labelled_at)


def _missing(run: Run, definition: ModelDefinition) -> str:
    days, hours = definition.retraining.wait_days, definition.label.expected_delay_hours
    until = rfc3339(run.labelled_at) if run.labelled_at else "an unknown time"
    return f"labels are needed up to {until}: {days:g} days after the onset, and {hours:g} hours for them to come"
