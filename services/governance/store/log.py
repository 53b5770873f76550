"""The audit log, append-only."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from services.governance.domain.audit import Action, Entry, Head, chained
from services.governance.store.tables import audit, audit_head


def head(connection: Connection) -> Head:
    """The newest entry's place and hash."""
    row = connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    return Head.model_validate(row, from_attributes=True)


def append(connection: Connection, action: Action, at: datetime) -> Entry:
    """Chain one more entry to the log, in a transaction from `Database.write`."""
    entry = chained(action, head(connection), at)
    connection.execute(insert(audit).values(**entry.model_dump(exclude={"payload"}), payload=entry.payload))
    connection.execute(update(audit_head).values(seq=entry.seq, hash=entry.hash))
    return entry


def newest(connection: Connection, before: int | None, limit: int) -> list[Entry]:
    """At most `limit` entries, newest first, those below seq `before`."""
    query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.seq < before)
    return [Entry.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def every(connection: Connection) -> Iterator[Entry]:
    """All entries, oldest first, read as they are asked for."""
    rows = connection.execution_options(yield_per=1_000).execute(select(audit).order_by(audit.c.seq))
    for row in rows.mappings():
        yield Entry.model_validate(dict(row))
