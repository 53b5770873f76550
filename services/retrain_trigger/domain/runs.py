"""A retraining run: one per incident, from the first decision to its end."""

from datetime import datetime, timedelta
from typing import Literal

from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.events import DriftDetected, RetrainingDecided, stable_id
from shared.events.base import Digest, EventId, ModelName, Record, UtcTime

State = Literal["waiting", "running", "evaluated", "failed", "skipped"]
Step = Literal["pin", "train", "convert", "evaluate", "bundle"]
STEPS: tuple[Step, ...] = ("pin", "train", "convert", "evaluate", "bundle")


class Run(Record):
    """What is known of one run. All times are event time.

    `digest` is the champion that drifted; `onset` the begin of the drift, None in a journal of an older version;
    `alarmed_at` the end of the alarmed window; `wait_until` the end of the rows it trains on and `labelled_at` the time
    from which their labels suffice, None if it was skipped before that was known; `decisions` counts those so far.
    """

    run_id: EventId
    incident_id: EventId
    model: ModelName
    digest: Digest
    revision: int
    severity: Literal["minor", "major"]
    features: tuple[str, ...]
    onset: UtcTime | None = None
    alarmed_at: UtcTime
    wait_until: UtcTime | None = None
    labelled_at: UtcTime | None = None
    state: State
    reason: str
    decisions: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it still may make a challenger."""
        return self.state in ("waiting", "running")


def run_id(incident_id: str) -> str:
    """The id of the one run that an incident may have."""
    return stable_id("retraining", incident_id)


def named_features(event: DriftDetected) -> tuple[str, ...]:
    """The features that alarmed or moved beside them, each once."""
    return tuple(dict.fromkeys(feature.name for feature in (*event.features, *event.also_moved)))


def waiting_times(onset: datetime, definition: ModelDefinition) -> tuple[datetime, datetime]:
    """`wait_until` and `labelled_at` of an incident with this onset.

    Raises:
        InvalidInput: the onset is so far in the future that no datetime holds them.
    """
    try:
        wait_until = onset + timedelta(days=definition.retraining.wait_days)
        return wait_until, wait_until + definition.label_delay
    except OverflowError as error:
        raise InvalidInput("onset", "is too far in the future to wait for") from error


def decided(run: Run, decision: Literal["run", "wait", "skip"], time: datetime) -> RetrainingDecided:
    """The event of the decision that brought the run into its state; `time` is that of its cause."""
    return RetrainingDecided(
        id=stable_id("RetrainingDecided", run.run_id, run.decisions),
        time=time,
        model=run.model,
        decision=decision,
        reason=run.reason,
        incident_id=run.incident_id,
        run_id=run.run_id,
        digest=run.digest,
        features=run.features,
        wait_until=run.wait_until,
    )
