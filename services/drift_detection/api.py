"""The HTTP API: how far the stream has come, the incidents, and what explains one."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from services.drift_detection.domain.explain.explanation import Explanation, explain
from services.drift_detection.domain.explain.sides import Sides
from services.drift_detection.domain.progress import Progress
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.settings import Settings
from services.drift_detection.store.rows import read_sides
from shared.errors import Unreadable
from shared.events import DriftedFeature
from shared.http import Health, create_app, require
from shared.reference.panes import moment
from shared.tokens import Identity

T = TypeVar("T")
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
    """How far the models that are at home with this worker have come; none while there is no state."""

    @property
    def progress(self) -> Progress: ...


class Incidents(Protocol):
    """Those of all models, whichever worker holds them; TimeoutError if they can't be known just now."""

    async def known(self) -> Mapping[str, Sequence[Incident]]: ...
    async def find(self, incident_id: str) -> tuple[str, Incident] | None: ...


_LATER: dict[int | str, dict[str, Any]] = {
    503: {"description": "Kafka can't be read just now; ask again after Retry-After seconds"}
}


def build_app(settings: Settings, health: Health, watching: Watching, known: Incidents, bundles: Bundles) -> FastAPI:
    """The service's app."""
    app = create_app("drift detection", settings, health, description="Windows of predictions, and their drift.")

    @app.get("/v1/progress")
    async def show_progress(_: Viewer) -> Progress:
        """By model, bundle digest and role: how far the stream has come, all events up to there sent. Of the models at
        home with this worker.
        """
        return watching.progress

    @app.get("/v1/incidents", responses=_LATER)
    async def show_incidents(_: Viewer) -> list[IncidentView]:
        """Open incidents and the last that ended, the newest first. Any worker tells those of all models."""
        return incidents(await _now(known.known()))

    @app.get(
        "/v1/incidents/{incident_id}/explain",
        responses=_LATER | {404: {"description": "There is no such incident"}},
    )
    async def explain_incident(_: Viewer, incident_id: str) -> Explanation:
        """Which features changed how, since when, and in which slices of the rows. Any worker explains any incident."""
        return await _explained(settings, bundles, await _now(known.find(incident_id)))

    return app


async def _now(asked: Awaitable[T]) -> T:
    """What was asked; raises HTTPException 503 if it can't be known just now."""
    try:
        return await asked
    except TimeoutError as error:
        told = {"field": "incidents", "expected": "Kafka, which can't be read just now; ask again"}
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, told, {"Retry-After": "2"}) from error


async def _explained(settings: Settings, bundles: Bundles, found: tuple[str, Incident] | None) -> Explanation:
    """In a thread: it reads files, and the stream must go on. Raises HTTPException 404 if there is no incident."""
    if found is None:
        told = {"field": "incident_id", "expected": "an incident that /v1/incidents shows"}
        raise HTTPException(HTTPStatus.NOT_FOUND, told)
    model, incident = found
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


def incidents(known: Mapping[str, Sequence[Incident]]) -> list[IncidentView]:
    """What `/v1/incidents` answers."""
    shown = [_view(model, incident) for model, there in known.items() for incident in there]
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
