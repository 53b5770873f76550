"""Drift windows as people look at them: the newest revision of each."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select

from services.governance.domain.windows import LOOK_BACK, Part, Statistic, WindowSummary, bucket_seconds
from services.governance.domain.windows import figures as figures_of
from services.governance.store.tables import figures, windows
from shared.batch import Role
from shared.errors import InvalidInput
from shared.events import Window, WindowClosed, WindowRevised

MOST = timedelta(days=366)
KEPT = timedelta(days=90)  # of event time, before the end of the model's newest window; the topic holds as many
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOW: TypeAdapter[WindowClosed | WindowRevised] = TypeAdapter(WindowClosed | WindowRevised)
_SUMMARY = [windows.c[name] for name in WindowSummary.model_fields]


@dataclass(frozen=True)
class Stream:
    """Whose statistic: one feature or score of a model's predictions in one role."""

    model: str
    part: Part
    name: str
    statistic: Statistic
    role: Role = "champion"


@dataclass(frozen=True)
class Span:
    """Event times [start, end)."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> tuple[int, int]:
        """Both in whole seconds since 1970."""
        return int(self.start.timestamp()), int(self.end.timestamp())


@dataclass(frozen=True)
class Points:
    """A statistic over time: `times` seconds since 1970, `values` the greatest of the `windows` in each point."""

    bucket_seconds: int
    times: list[int]
    values: list[float | None]
    windows: list[int]


def keep(connection: Connection, window: Window) -> None:
    """Keep a window, unless a later revision of it is there; windows of its model that are too old by now go."""
    known = connection.execute(select(windows.c.revision).where(windows.c.window_id == window.window_id)).scalar()
    if known is not None and known >= window.revision:
        return
    if known is not None:
        connection.execute(delete(figures).where(figures.c.window_id == window.window_id))
        connection.execute(delete(windows).where(windows.c.window_id == window.window_id))
    summary = window.model_dump(include=set(WindowSummary.model_fields))
    connection.execute(insert(windows).values(**summary, model=window.model, payload=window.model_dump_json()))
    shared = {"window_id": window.window_id, "model": window.model, "role": window.role}
    rows = [{**shared, "start_s": int(window.start.timestamp()), **row.model_dump()} for row in figures_of(window)]
    if rows:
        connection.execute(insert(figures), rows)
    _forget_old(connection, window.model)


def _forget_old(connection: Connection, model: str) -> None:
    newest = last_end(connection, model)
    if newest is not None and newest - EPOCH > KEPT:
        old = (windows.c.model == model) & (windows.c.end < newest - KEPT)
        connection.execute(delete(figures).where(figures.c.window_id.in_(select(windows.c.window_id).where(old))))
        connection.execute(delete(windows).where(old))


def last_end(connection: Connection, model: str) -> datetime | None:
    """The end of the model's newest window."""
    query = select(windows.c.end).where(windows.c.model == model).order_by(windows.c.end.desc()).limit(1)
    return connection.execute(query).scalar()


def span(connection: Connection, model: str, start: datetime | None, end: datetime | None) -> Span:
    """[start, end) with what is not given filled in: up to the newest window's end, from 21 days before that.

    Raises:
        InvalidInput: it is empty, or longer than a year.
    """
    until = end or last_end(connection, model) or (start + LOOK_BACK if start else EPOCH + LOOK_BACK)
    since = start or (until - LOOK_BACK if until - EPOCH >= LOOK_BACK else EPOCH)
    if not timedelta(0) < until - since <= MOST:
        raise InvalidInput("start", f"must lie before end, by at most {MOST.days} days")
    return Span(since, until)


def listed(connection: Connection, model: str, role: Role, span: Span, limit: int) -> list[WindowSummary]:
    """The newest windows that start in the span, newest first."""
    inside = (windows.c.model == model) & (windows.c.role == role)
    inside &= (windows.c.start >= span.start) & (windows.c.start < span.end)
    query = select(*_SUMMARY).where(inside).order_by(windows.c.start.desc(), windows.c.window_id).limit(limit)
    return [WindowSummary.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def window(connection: Connection, window_id: str) -> WindowClosed | WindowRevised | None:
    """The newest revision of a window, with its histograms."""
    payload = connection.execute(select(windows.c.payload).where(windows.c.window_id == window_id)).scalar()
    return None if payload is None else _WINDOW.validate_json(payload)


def streams(connection: Connection, model: str) -> list[tuple[Part, str]]:
    """The features, then the scores, of the model's newest window."""
    newest = select(windows.c.window_id).where(windows.c.model == model).order_by(windows.c.end.desc()).limit(1)
    query = select(figures.c.part, figures.c.name).where(figures.c.window_id == newest.scalar_subquery())
    return [(row.part, row.name) for row in connection.execute(query.order_by(figures.c.part, figures.c.name))]


def _inside(stream: Stream, start_s: int, end_s: int) -> ColumnElement[bool]:
    whose = (figures.c.model == stream.model) & (figures.c.role == stream.role)
    whose &= (figures.c.part == stream.part) & (figures.c.name == stream.name)
    return whose & (figures.c.start_s >= start_s) & (figures.c.start_s < end_s)


def series(connection: Connection, stream: Stream, span: Span, points: int) -> Points:
    """A statistic over the span, thinned to at most `points` points; a thinned point is its windows' greatest."""
    width = bucket_seconds(span.start, span.end, points)
    first, last = span.seconds
    start_s = func.min(figures.c.start_s)
    value = func.max(figures.c[stream.statistic])
    query: Select[int, float | None, int] = (
        select(start_s, value, func.count())
        .where(_inside(stream, first, last))
        .group_by((figures.c.start_s - first) // width)
        .order_by(start_s)
    )
    rows = connection.execute(query).all()
    return Points(width, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def strongest(connection: Connection, stream: Stream, start: datetime, width: int) -> str | None:
    """The window with the greatest value of the statistic among those that start within `width` seconds."""
    first = int(start.astimezone(UTC).timestamp())
    value = figures.c[stream.statistic]
    query = select(figures.c.window_id).where(_inside(stream, first, first + width))
    return connection.execute(query.order_by(value.is_(None), value.desc(), figures.c.window_id).limit(1)).scalar()
