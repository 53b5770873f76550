"""The HTTP API: how far the stream has come, the incidents, and what explains one."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from services.drift_detection.domain.explain.explanation import Explanation, explain
from services.drift_detection.domain.explain.sides import Sides
from services.drift_detection.domain.progress import Progress
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.settings import Settings
from services.drift_detection.store.rows import read_sides
from shared.errors import Unreadable
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


def build_app(settings: Settings, health: Health, watching: Watching, bundles: Bundles) -> FastAPI:
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

    @app.get("/v1/incidents/{incident_id}/explain", responses={404: {"description": "There is no such incident"}})
    async def explain_incident(_: Viewer, incident_id: str) -> Explanation:
        """Which features changed how, since when, and in which slices of the rows."""
        for model, watch in watching.watches.items():
            for incident in watch.record.incidents:
                if incident.incident_id == incident_id:
                    return await _explained(settings, bundles, model, incident.model_copy(deep=True))
        held = ", ".join(sorted(watching.watches)) or "no model"
        expected = f"an incident that /v1/incidents of this worker shows, which holds {held}; others hold the others"
        raise HTTPException(404, {"field": "incident_id", "expected": expected})

    return app


async def _explained(settings: Settings, bundles: Bundles, model: str, incident: Incident) -> Explanation:
    """In a thread: it reads files, and the stream must go on."""
    try:
        watched = await bundles.get(incident.digest)
    except Unreadable as error:
        return explain(model, incident, None, str(error))
    return await asyncio.to_thread(_with_rows, settings, watched, incident)


def _with_rows(settings: Settings, watched: Watched, incident: Incident) -> Explanation:
    sides: Sides | str
    try:
        sides = read_sides(settings.tables, watched, incident)
    except Unreadable as error:
        sides = str(error)
    return explain(watched.model, incident, watched.reference, sides)


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
