"""Incidents and runs as people look at them, folded from the events about them."""

from pydantic import BaseModel
from sqlalchemy import Connection, Table, delete, insert, select

from services.governance.domain.incidents import Incident, IncidentEvent, IncidentState, incident_after
from services.governance.domain.runs import Run, RunEvent, run_after
from services.governance.store.tables import incidents, runs


def note_incident(connection: Connection, event: IncidentEvent) -> None:
    """Take in one more event about an incident."""
    after = incident_after(incident(connection, event.incident_id), event)
    if after is not None:
        key = {"incident_id": after.incident_id, "model": after.model, "state": after.state, "time": after.detected}
        _replace(connection, incidents, key, after)


def note_run(connection: Connection, event: RunEvent) -> None:
    """Take in one more event about a run."""
    after = run_after(run(connection, event.run_id), event)
    key = {"run_id": after.run_id, "model": after.model, "state": after.state, "time": after.time}
    _replace(connection, runs, key, after)


def incident(connection: Connection, incident_id: str) -> Incident | None:
    """An incident by its id."""
    record = connection.execute(select(incidents.c.record).where(incidents.c.incident_id == incident_id)).scalar()
    return None if record is None else Incident.model_validate(record)


def run(connection: Connection, run_id: str) -> Run | None:
    """A run by its id."""
    record = connection.execute(select(runs.c.record).where(runs.c.run_id == run_id)).scalar()
    return None if record is None else Run.model_validate(record)


def incidents_of(
    connection: Connection, model: str | None = None, state: IncidentState | None = None, limit: int = 100
) -> list[Incident]:
    """The incidents detected last, newest first; of one model, in one state, if these are given."""
    query = select(incidents.c.record).order_by(incidents.c.time.desc(), incidents.c.incident_id).limit(limit)
    if model is not None:
        query = query.where(incidents.c.model == model)
    if state is not None:
        query = query.where(incidents.c.state == state)
    return [Incident.model_validate(record) for record in connection.execute(query).scalars()]


def runs_of(connection: Connection, model: str, limit: int = 100) -> list[Run]:
    """The runs with the newest events of a model, newest first."""
    query = select(runs.c.record).where(runs.c.model == model).order_by(runs.c.time.desc(), runs.c.run_id)
    return [Run.model_validate(record) for record in connection.execute(query.limit(limit)).scalars()]


def _replace(connection: Connection, table: Table, key: dict[str, object], after: BaseModel) -> None:
    identity = table.primary_key.columns[0]
    connection.execute(delete(table).where(identity == key[identity.name]))
    connection.execute(insert(table).values(**key, record=after.model_dump(mode="json")))
