"""The database: a read sees one state, writes come one after the other and are on disk when they return."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError

from services.governance.domain.audit import GENESIS
from services.governance.store.tables import audit_head, metadata
from shared.errors import DriftlineError

# SQLite's words for what is not our fault; its other operational errors, such as a table that is missing, are.
_TROUBLES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
}


class DatabaseFails(DriftlineError):
    """The database can't be read or written just now: its disk is full, say. Nothing was changed."""


class Database:
    """Safe to use from many threads. Written for SQLite and PostgreSQL. `read` and `write` raise DatabaseFails."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, json_serializer=partial(json.dumps, allow_nan=False))
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine.url.database)
            event.listen(self._engine, "connect", _configure)
            event.listen(self._engine, "begin", _begin)

    def create(self) -> None:
        """Make the tables that are not there yet."""
        with self._engine.execution_options(writing=True).begin() as connection:
            metadata.create_all(connection)
            if connection.execute(select(audit_head.c.id)).first() is None:
                connection.execute(insert(audit_head).values(id=1, seq=0, hash=GENESIS))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with _telling_troubles(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer runs beside; committed at the end, undone by an exception."""
        with _telling_troubles(), self._engine.execution_options(writing=True).begin() as connection:
            connection.execute(select(audit_head.c.id).with_for_update())
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


@contextmanager
def _telling_troubles() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.orig, sqlite3.Error):  # a server's words may tell its address
            raise DatabaseFails("the database can't be written: it does not answer, or refuses") from error
        if error.orig.sqlite_errorcode & 0xFF in _TROUBLES:
            raise DatabaseFails(f"the database can't be written: {error.orig}") from error
        raise


def _prepare_sqlite(database: str | None) -> None:
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def _configure(connection: DBAPIConnection, _: Any) -> None:
    connection.isolation_level = None  # so that BEGIN is ours: sqlite3's own comes late, after the first read
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads before it writes must have the lock from the start, else its write fails as "busy".
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
