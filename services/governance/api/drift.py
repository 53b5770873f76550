"""What drift_detection said: windows and incidents, for people and scripts to look at."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from services.governance.api.edge import Body, Office, Reader, problems
from services.governance.domain.errors import NotFound
from services.governance.domain.incidents import Incident, IncidentState
from services.governance.domain.windows import Part, Statistic, WindowSummary
from services.governance.store import registry, views, windows
from shared.batch import Role
from shared.events import WindowClosed, WindowRevised
from shared.events.base import EventId, ModelName, UtcTime

router = APIRouter(prefix="/v1", tags=["drift"])


class WindowQuery(Body):
    """Event times [start, end); without them the 21 days before the newest window's end."""

    start: UtcTime | None = None
    end: UtcTime | None = None
    role: Role = "champion"
    limit: int = Field(default=500, ge=1, le=5_000)


class SeriesQuery(Body):
    """Which statistic of which feature or score; at most `points` points."""

    name: str = Field(min_length=1, max_length=100)
    statistic: Statistic = "psi"
    part: Part = "feature"
    start: UtcTime | None = None
    end: UtcTime | None = None
    role: Role = "champion"
    points: int = Field(default=600, ge=10, le=2_000)


class IncidentQuery(Body):
    """Which incidents to list."""

    model: ModelName | None = None
    state: IncidentState | None = None
    limit: int = Field(default=100, ge=1, le=1_000)


@router.get("/models/{model}/windows", responses=problems(404))
def list_windows(
    model: ModelName, query: Annotated[WindowQuery, Query()], _: Reader, office: Office
) -> list[WindowSummary]:
    """The newest windows of the time asked for, newest first."""
    with office.database.read() as connection:
        registry.known_model(connection, model)
        span = windows.span(connection, model, query.start, query.end)
        return windows.listed(connection, model, query.role, span, query.limit)


@router.get("/models/{model}/windows/{window_id}", responses=problems(404))
def show_window(model: ModelName, window_id: EventId, _: Reader, office: Office) -> WindowClosed | WindowRevised:
    """The newest revision of a window, with its statistics and histograms."""
    with office.database.read() as connection:
        registry.known_model(connection, model)
        window = windows.window(connection, window_id)
    if window is None or window.model != model:
        raise NotFound("window_id", f"no window {window_id} of {model}")
    return window


@router.get("/models/{model}/series", responses=problems(404))
def show_series(model: ModelName, query: Annotated[SeriesQuery, Query()], _: Reader, office: Office) -> windows.Points:
    """One statistic over time. Where a point stands for several windows, it is their greatest."""
    stream = windows.Stream(model, query.part, query.name, query.statistic, query.role)
    with office.database.read() as connection:
        registry.known_model(connection, model)
        return windows.series(connection, stream, windows.span(connection, model, query.start, query.end), query.points)


@router.get("/incidents", responses=problems())
def list_incidents(query: Annotated[IncidentQuery, Query()], _: Reader, office: Office) -> list[Incident]:
    """Drift incidents, those detected last first."""
    with office.database.read() as connection:
        return views.incidents_of(connection, query.model, query.state, query.limit)
