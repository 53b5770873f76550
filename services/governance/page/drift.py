"""Plots of drift: a statistic over time as JSON for the plot, a window's histogram as a part of the page."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.governance.domain.incidents import Incident
from services.governance.domain.windows import Part, Statistic, bars, stream_of
from services.governance.page.edge import Office, Visitor
from services.governance.page.histogram import shapes
from services.governance.page.render import page
from services.governance.store import registry, views, windows
from services.governance.store.windows import Span, Stream
from shared.events.base import ModelName

router = APIRouter()
POINTS = 600


class PlotQuery(BaseModel):
    """Which statistic of which `feature:<name>` or `score:<name>`, over the last `days` of windows."""

    model_config = ConfigDict(extra="forbid")

    stream: str = Field(pattern=r"^(feature|score):.", max_length=120)
    statistic: Statistic = "psi"
    days: int = Field(default=21, ge=1, le=366)

    def of(self, model: str) -> Stream:
        """The stream asked for."""
        part, _, name = self.stream.partition(":")
        return Stream(model, cast(Part, part), name, self.statistic)


class HistogramQuery(PlotQuery):
    """`at`, seconds since 1970: the strongest window that starts within `width` seconds of it; without, of all."""

    at: int | None = Field(default=None, ge=0, le=253_402_300_799)
    width: int = Field(default=1, ge=1, le=366 * 86_400)


def _span(connection: Connection, model: str, days: int) -> Span:
    registry.known_model(connection, model)
    end = windows.last_end(connection, model)
    return windows.span(connection, model, end - timedelta(days=days) if end else None, end)


@router.get("/models/{name}/series")
def show_series(name: ModelName, query: Annotated[PlotQuery, Query()], _: Visitor, office: Office) -> dict[str, Any]:
    """The points, the incidents and the changes of champion in their time; all times in seconds since 1970."""
    with office.database.read() as connection:
        span = _span(connection, name, query.days)
        points = windows.series(connection, query.of(name), span, POINTS)
        known = views.incidents_of(connection, name)
        deployed = registry.deployments_of(connection, name, 100)
    feature = query.of(name).name
    first, last = span.seconds
    return {
        **asdict(points),
        "start": first,
        "end": last,
        "incidents": [_mark(incident, feature, last) for incident in known if _touches(incident, span)],
        "revisions": [
            {"at": int(entry.time.timestamp()), "revision": entry.revision}
            for entry in deployed
            if span.start <= entry.time <= span.end
        ],
    }


def _touches(incident: Incident, span: Span) -> bool:
    return incident.onset <= span.end and (incident.closed is None or incident.closed >= span.start)


def _mark(incident: Incident, feature: str, last: int) -> dict[str, Any]:
    named = [drifted.name for drifted in (*incident.features, *incident.also_moved)]
    return {
        "onset": int(incident.onset.timestamp()),
        "detected": int(incident.detected.timestamp()),
        "closed": int(incident.closed.timestamp()) if incident.closed else last,
        "state": incident.state,
        "names": named,
        "named": feature in named,
    }


@router.get("/models/{name}/histogram")
def show_histogram(name: ModelName, query: Annotated[HistogramQuery, Query()], _: Visitor, office: Office) -> Response:
    """One window against the reference."""
    with office.database.read() as connection:
        span = _span(connection, name, query.days)
        start = span.start if query.at is None else datetime.fromtimestamp(query.at, UTC)
        width = int((span.end - span.start).total_seconds()) if query.at is None else query.width
        window_id = windows.strongest(connection, query.of(name), start, width)
        window = windows.window(connection, window_id) if window_id else None
    drift = stream_of(window, query.of(name).part, query.of(name).name) if window else None
    drawn = shapes(bars(drift)) if drift else []
    return page("histogram.html", window=window, drift=drift, shapes=drawn, chosen=query.at is not None)
