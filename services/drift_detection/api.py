"""The HTTP API: how far the stream has come, and the incidents."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.settings import Settings
from shared.events import DriftedFeature
from shared.http import Health, create_app, require
from shared.reference.panes import moment
from shared.tokens import Identity

Viewer = Annotated[Identity, Depends(require("viewer", "operator", "approver", "auditor", "service"))]


class SourceProgress(BaseModel):
    """One (model, digest, role): event time reached by the model, rows read (of these `repeats`, `too_late` and
    `future` are in no statistics), windows published.
    """

    watermark: datetime | None
    rows: int
    repeats: int
    too_late: int
    future: int
    windows: int


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


Progress = dict[str, dict[str, dict[str, SourceProgress]]]


def build_app(settings: Settings, health: Health, engine: Callable[[], Engine | None]) -> FastAPI:
    """The service's app; `engine` gives the state, None while there is none."""
    app = create_app("drift detection", settings, health, description="Windows of predictions, and their drift.")

    @app.get("/v1/progress")
    async def show_progress(_: Viewer) -> Progress:
        """By model, bundle digest and role: how far the stream has come."""
        state = engine()
        return {} if state is None else progress(state)

    @app.get("/v1/incidents")
    async def show_incidents(_: Viewer) -> list[IncidentView]:
        """Open incidents and the last that ended, the newest first."""
        state = engine()
        return [] if state is None else incidents(state.watches)

    return app


def progress(engine: Engine) -> Progress:
    """What `/v1/progress` answers."""
    shown: Progress = {}
    for source, tally in engine.tallies().items():
        record = engine.watch(source.model).record
        shown.setdefault(source.model, {}).setdefault(source.digest, {})[source.role] = SourceProgress(
            watermark=None if record.watermark is None else moment(record.watermark),
            windows=record.published.get(source.digest, {}).get(source.role, 0),
            **vars(tally),
        )
    return shown


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
