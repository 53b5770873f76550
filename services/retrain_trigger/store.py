"""The journal: each run's state, each finished step's result, and the outbox, in one SQLite file.

What belongs together is written in one transaction and is on disk when it is done, so after a crash a run goes on
after its last finished step, and no event is lost; one that was sent but not marked is sent again, byte for byte.
"""

import base64
import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.retrain_trigger.domain.runs import Run, Step
from shared.errors import DriftlineError
from shared.events import Event, ModelPromoted
from shared.kafka.message import OutMessage

Encode = Callable[[Event], OutMessage]
Result = Mapping[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    position INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, incident_id TEXT NOT NULL UNIQUE, model TEXT NOT NULL,
    state TEXT NOT NULL, document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runs_by_model ON runs (model);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state);
CREATE TABLE IF NOT EXISTS steps (
    run_id TEXT NOT NULL REFERENCES runs (run_id), step TEXT NOT NULL, result TEXT NOT NULL,
    PRIMARY KEY (run_id, step)
) STRICT;
CREATE TABLE IF NOT EXISTS promotions (
    model TEXT NOT NULL, revision INTEGER NOT NULL, digest TEXT NOT NULL, previous TEXT, PRIMARY KEY (model, revision)
) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, key BLOB,
    value BLOB NOT NULL, headers TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (position) WHERE NOT sent;
"""


class JournalInUse(DriftlineError):
    """Another process has this journal; two would run each run twice."""


@dataclass(frozen=True)
class Waiting:
    """An event not yet marked as sent."""

    position: int
    message: OutMessage


class Journal:
    """One process's journal; to be used from one thread.

    Raises:
        JournalInUse: another process has it open.
        OSError, sqlite3.Error: the file can't be used; every method may raise the latter.
    """

    def __init__(self, path: Path, encode: Encode) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_suffix(".lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise JournalInUse(f"{path} is in use by another retrain_trigger") from error
        self._encode = encode
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        """Give the file free."""
        self._database.close()
        self._lock.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def record(self, run: Run, *events: Event) -> None:
        """Write a run as it is now, and the events that say so."""
        with self._write() as database:
            self._put(database, run, events)

    def finish_step(self, run: Run, step: Step, result: Result, *events: Event) -> None:
        """Write a step's result (JSON), the run as it is after it, and the events that say so."""
        with self._write() as database:
            self._put(database, run, events)
            row = (run.run_id, step, json.dumps(result, allow_nan=False))
            database.execute("INSERT INTO steps (run_id, step, result) VALUES (?, ?, ?)", row)

    def _put(self, database: sqlite3.Connection, run: Run, events: Sequence[Event]) -> None:
        database.execute(
            "INSERT INTO runs (run_id, incident_id, model, state, document) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (run_id) DO UPDATE SET state = excluded.state, document = excluded.document",
            (run.run_id, run.incident_id, run.model, run.state, run.model_dump_json()),
        )
        for event in events:
            message = self._encode(event)
            headers = json.dumps([[name, base64.b64encode(value).decode()] for name, value in message.headers])
            row = (event.id, message.topic, message.key, message.value, headers)
            database.execute("INSERT INTO outbox (event_id, topic, key, value, headers) VALUES (?, ?, ?, ?, ?)", row)

    def runs(self, model: str | None = None) -> list[Run]:
        """All runs, or those of a model, oldest first."""
        rows = self._database.execute(
            "SELECT document FROM runs WHERE ?1 IS NULL OR model = ?1 ORDER BY position", (model,)
        )
        return [Run.model_validate_json(document) for (document,) in rows]

    def runs_in(self, state: str) -> list[Run]:
        """The runs in a state, oldest first."""
        rows = self._database.execute("SELECT document FROM runs WHERE state = ? ORDER BY position", (state,))
        return [Run.model_validate_json(document) for (document,) in rows]

    def run_of(self, incident_id: str) -> Run | None:
        """The run of an incident, if it has had a decision."""
        row = self._database.execute("SELECT document FROM runs WHERE incident_id = ?", (incident_id,)).fetchone()
        return Run.model_validate_json(row[0]) if row else None

    def results(self, run_id: str) -> dict[Step, Result]:
        """The results of a run's finished steps."""
        rows = self._database.execute("SELECT step, result FROM steps WHERE run_id = ?", (run_id,))
        return {step: json.loads(result) for step, result in rows}

    def promoted(self, event: ModelPromoted) -> None:
        """Note who became a model's champion, and who was until then."""
        row = (event.model, event.revision, event.digest, event.previous)
        with self._write() as database:
            database.execute("INSERT OR IGNORE INTO promotions VALUES (?, ?, ?, ?)", row)

    def was_replaced(self, model: str, digest: str) -> bool:
        """Whether another champion took over from this one, and it has not come back.

        A champion whose own promotion was not read yet is not replaced: drift and governance are two topics, and what
        is written first need not be read first.
        """
        row = self._database.execute(
            "SELECT max(revision) FILTER (WHERE previous = ?2) > coalesce(max(revision) FILTER (WHERE digest = ?2), 0)"
            " FROM promotions WHERE model = ?1",
            (model, digest),
        ).fetchone()
        return bool(row[0])

    def unsent(self, limit: int = 100) -> list[Waiting]:
        """The oldest events not yet marked as sent, in order."""
        rows = self._database.execute(
            "SELECT position, topic, value, key, headers FROM outbox WHERE NOT sent ORDER BY position LIMIT ?", (limit,)
        )
        return [
            Waiting(position, OutMessage(topic, value, key, _headers(headers)))
            for position, topic, value, key, headers in rows
        ]

    def mark_sent(self, up_to: int) -> None:
        """Mark the events up to this position as sent."""
        with self._write() as database:
            database.execute("UPDATE outbox SET sent = 1 WHERE NOT sent AND position <= ?", (up_to,))


def _headers(text: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, base64.b64decode(value)) for name, value in json.loads(text))
