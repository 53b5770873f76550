"""What is known of a drift incident, folded from the events about it."""

from typing import Literal

from pydantic import Field

from shared.batch import Role
from shared.events import DriftDetected, DriftedFeature, DriftResolved, DriftRetracted
from shared.events.base import Digest, EventId, ModelName, Record, UtcTime

IncidentState = Literal["open", "resolved", "retracted"]
IncidentEvent = DriftDetected | DriftResolved | DriftRetracted


class Incident(Record):
    """All times are event time. `detected` is the end of the window that alarmed first."""

    incident_id: EventId
    model: ModelName
    digest: Digest
    role: Role
    state: IncidentState = "open"
    severity: Literal["minor", "major"]
    onset: UtcTime
    detected: UtcTime
    closed: UtcTime | None = None
    closed_because: str | None = None
    features: tuple[DriftedFeature, ...]
    also_moved: tuple[DriftedFeature, ...]
    assumption: str
    revision: int = Field(ge=0)


def incident_after(known: Incident | None, event: IncidentEvent) -> Incident | None:
    """The incident after one more event; None when nothing is known of it yet but its end."""
    if isinstance(event, DriftDetected):
        if known is not None and event.revision <= known.revision:
            return known
        return _detected(known, event)
    if known is None or known.state != "open":
        return known
    if isinstance(event, DriftResolved):
        end: dict[str, object] = {"state": "resolved", "closed_because": event.reason}
    else:
        end = {"state": "retracted", "closed_because": "rows that came late took the alarm back"}
    return known.model_copy(update={**end, "closed": event.time})


def _detected(known: Incident | None, event: DriftDetected) -> Incident:
    return Incident(
        incident_id=event.incident_id,
        model=event.model,
        digest=event.digest,
        role=event.role,
        state=known.state if known else "open",
        severity=event.severity,
        onset=event.onset,
        detected=known.detected if known else event.time,
        closed=known.closed if known else None,
        closed_because=known.closed_because if known else None,
        features=event.features,
        also_moved=event.also_moved,
        assumption=event.assumption,
        revision=event.revision,
    )
