"""A log whose days grow old, and what is said of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.restating import Book
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep.retention import Retention
from services.feature_logging.stream.intake import Intake
from shared.batch import encode_batch
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.restated import restated
from shared.feature_log.proof.verify import Verified, verify
from shared.kafka.admin import LABELS as LABELS_TOPIC
from shared.kafka.message import InMessage
from tests.unit.feature_logging.samples import (
    MODEL,
    START,
    TOPIC,
    batch,
    intake,
    label_message,
    message,
    place,
    rows_of,
)

SOURCES = {(TOPIC, 0): 0, (LABELS_TOPIC, 0): 0}
FIRST, KEEP = date(2013, 3, 1), 3
FAR = datetime(2100, 1, 1, tzinfo=UTC)
NAME = f"{MODEL}/predictions"


def message_of(number: int, days: Sequence[int]) -> InMessage:
    """The message of predictions with this sequence number and offset: a row on each of these days after START."""
    some = batch(len(days), number * 10, sequence=number, rows_so_far=(number + 1) * len(days))
    return message(encode_batch(replace(some, event_time=some.event_time + np.array(days, "timedelta64[D]"))), number)


async def log_messages(tables: Path, *messages: InMessage) -> Intake:
    """In the tables, but not in the chain."""
    worker = intake(tables)
    for each in messages:
        await worker.handle(each)
        await worker.handle(label_message(each.offset))
    await worker.flush()
    return worker


async def prove(tables: Path) -> None:
    """All is in the chain."""
    await intake(tables).assigned(SOURCES, dict.fromkeys(SOURCES, 99))


async def log_two_days(tables: Path) -> None:
    """Two links: messages 0 and 1 with three rows of START's day each, and 2 with one of it and two of the next. Two
    labels of START's day for each message.
    """
    worker = await log_messages(tables, message_of(0, (0, 0, 0)), message_of(1, (0, 0, 0)))
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    await log_messages(tables, message_of(2, (0, 1, 1)))
    await prove(tables)


def book(tables: Path) -> Book:
    return Book(tables, KeyStore(tables.parent / "keys"))


def pass_days(tables: Path, days: int) -> None:
    """Retention as it is when so many days have become too old."""
    Retention(book(tables), KEEP, now=lambda: START + timedelta(days=KEEP + days)).retire_all()


def verified(tables: Path) -> Verified:
    log = open_log(tables)
    return verify(log, completeness(log), [], restated(tables, KeyStore(tables.parent / "keys").secret))


def rows_by_day(tables: Path, kind: str = "predictions") -> list[tuple[int, int]]:
    """(day after START, rows) of what a table holds."""
    days = [(day - FIRST).days for day in rows_of(place(tables, kind)).column("event_day").to_pylist()]
    return [(day, days.count(day)) for day in sorted(set(days))]


def retired(tables: Path) -> list[tuple[str, int, int]]:
    return [(each.table, each.days, each.rows) for each in completeness(open_log(tables)).retired]


def meanwhile(monkeypatch: pytest.MonkeyPatch, table: Path, work: Callable[[], object]) -> list[Path]:
    """Let `work` be done just before the first commit to a table that is no append; then the table is in the list."""
    before: Callable[..., object] = LogTable.apply
    calls: list[Path] = []

    def with_work(self: LogTable, actions: Iterable[AddAction | RemoveAction], versions: dict[str, int]) -> object:
        if self.path == table and not calls:
            calls.append(table)
            work()
        return before(self, actions, versions)

    monkeypatch.setattr(LogTable, "apply", with_work)
    return calls
