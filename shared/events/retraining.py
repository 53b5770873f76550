"""What retrain_trigger says: each decision with its reason, each run with its result."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.definition import LabelKind
from shared.events.base import Digest, Event, EventId, Finite, Record, UtcTime

RETRAINING = "driftline.retraining"
LabelsWanted = Literal["required", "left"]


class SnapshotPin(Record):
    """The rows a run trains on, exactly: versions of the model's Delta tables (None: not there yet), event-time
    bounds [start, end), labels known at `as_of`, count of rows and their order-independent hash.

    `labels`: rows without one are not among them ("required"), or are, with null ("left"). `logged_by`: nothing that
    was logged later is among them, by the broker's clock; without it the versions alone bound what was logged.

    Only labels that are values of `label_kind` and not older than their row count; without it, all do: so it was in
    pins made before labels were checked.
    """

    history_version: int | None = Field(default=None, ge=0)
    predictions_version: int | None = Field(default=None, ge=0)
    labels_version: int | None = Field(default=None, ge=0)
    start: UtcTime
    end: UtcTime
    as_of: UtcTime
    label_kind: LabelKind | None = Field(default=None, exclude_if=lambda kind: kind is None)
    labels: LabelsWanted = Field(default="required", exclude_if=lambda labels: labels == "required")
    logged_by: UtcTime | None = Field(default=None, exclude_if=lambda time: time is None)
    rows: int = Field(ge=0)
    row_hash: Digest


class RetrainingDecided(Event, frozen=True):
    """run, wait (until an event time) or skip, and why; one per incident and decision."""

    topic: ClassVar[str] = RETRAINING
    type: Literal["RetrainingDecided"] = "RetrainingDecided"
    decision: Literal["run", "wait", "skip"]
    reason: str = Field(min_length=1)
    incident_id: EventId
    run_id: EventId
    digest: Digest
    features: tuple[str, ...]
    wait_until: UtcTime | None = None


class RetrainingStarted(Event, frozen=True):
    """The run's snapshot is pinned and training begins."""

    topic: ClassVar[str] = RETRAINING
    type: Literal["RetrainingStarted"] = "RetrainingStarted"
    run_id: EventId
    incident_id: EventId
    snapshot: SnapshotPin


HIGHER_IS_BETTER = frozenset({"auc"})


class Score(Record):
    """One model on the holdout: its metrics by name; of `auc` higher is better, of all others lower."""

    digest: Digest
    metrics: dict[str, Finite]


class ChallengerEvaluated(Event, frozen=True):
    """Champion and challenger on the same holdout of `holdout_rows` rows; `passed` by the definition's gate."""

    topic: ClassVar[str] = RETRAINING
    type: Literal["ChallengerEvaluated"] = "ChallengerEvaluated"
    run_id: EventId
    incident_id: EventId
    metric: str
    champion: Score
    challenger: Score
    holdout_start: UtcTime
    holdout_end: UtcTime
    holdout_rows: int = Field(ge=1)
    margin: Finite
    passed: bool
    reason: str


class RetrainingFailed(Event, frozen=True):
    """The run ended without a challenger; `step` and `reason` say where and why."""

    topic: ClassVar[str] = RETRAINING
    type: Literal["RetrainingFailed"] = "RetrainingFailed"
    run_id: EventId
    incident_id: EventId
    step: str
    reason: str
