"""The HTTP API: how far the stream has come, and the incidents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from services.drift_detection.domain.progress import Progress
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.settings import Settings
from shared.events import DriftedFeature
from shared.http import Health, create_app, require
from shared.reference.panes import moment
from shared.tokens import Identity

Viewer = Annotated[Identity, Depends(require("viewer", "operator", "approver", "auditor", "service"))]


class IncidentView(BaseModel):
    """One incident; times are event time."""

    incident_id: str
    model: str
    digest: str
    state: Literal["open", "resolved", "retracted"]
    reason: str | None
    severity: Literal["minor", "major"]
    opened: datetime
    onset: datetime
    last_alarm: datetime
    closed: datetime | None
    features: list[DriftedFeature]
    also_moved: list[DriftedFeature]


class Watching(Protocol):
    """What the API looks at, of the models that are at home with this worker: how far they have come, and the watches
    over them, none while there is no state.
    """

    @property
    def progress(self) -> Progress: ...
    @property
    def watches(self) -> Mapping[str, ModelWatch]: ...


def build_app(settings: Settings, health: Health, watching: Watching) -> FastAPI:
    """The service's app."""
    app = create_app("drift detection", settings, health, description="Windows of predictions, and their drift.")

    @app.get("/v1/progress")
    async def show_progress(_: Viewer) -> Progress:
        """By model, bundle digest and role: how far the stream has come, all events up to there sent."""
        return watching.progress

    @app.get("/v1/incidents")
    async def show_incidents(_: Viewer) -> list[IncidentView]:
        """Open incidents and the last that ended, the newest first."""
        return incidents(watching.watches)

    return app


def incidents(watches: Mapping[str, ModelWatch]) -> list[IncidentView]:
    """What `/v1/incidents` answers."""
    shown = [_view(model, incident) for model, watch in watches.items() for incident in watch.record.incidents]
    return sorted(shown, key=lambda view: view.opened, reverse=True)


def _view(model: str, incident: Incident) -> IncidentView:
    return IncidentView(
        model=model,
        opened=moment(incident.opened),
        onset=moment(incident.onset),
        last_alarm=moment(incident.last_alarm),
        closed=None if incident.closed is None else moment(incident.closed),
        features=list(incident.features.values()),
        also_moved=list(incident.also_moved.values()),
        **incident.model_dump(include={"incident_id", "digest", "state", "reason", "severity"}),
    )
