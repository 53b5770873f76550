"""The buffer over all tables: each message once, whatever is read again, refused or delayed."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from services.feature_logging.domain.labels import label_rows
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable, NotDurable
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import LabelsReceived
from shared.feature_log.schema import app_id
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    TOPIC,
    batch,
    definition,
    feature_log,
    label_message,
    origin,
    place,
    prediction_rows,
    rows_of,
)
from tests.unit.feature_logging.test_table import failing_once


async def take(log: FeatureLog, where: Place, *offsets: int, partition: int = 0, count: int = 3) -> None:
    """What the handler does with messages of these offsets."""
    for at in (origin(offset, partition) for offset in offsets):
        if not await log.holds(where, at):
            await log.add(where, prediction_rows(batch(count), definition(), CATEGORIES, at), at)


def offsets_of(where: Place) -> list[int]:
    return sorted(rows_of(where)["source_offset"].to_pylist())


async def test_messages_read_again_are_skipped(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    await take(log, where, 0, 1, count=1)
    await take(log, where, 0, 1, count=1)  # while they still wait
    await log.commit()
    await take(log, where, 0, 1, 2, count=1)
    await log.commit()
    assert offsets_of(where) == [0, 1, 2]


async def test_a_crash_between_the_delta_commit_and_kafkas_doubles_nothing(tmp_path: Path) -> None:
    where = place(tmp_path)
    before = feature_log(tmp_path)
    await take(before, where, 0, 1, 2, count=1)
    await before.commit()
    await take(before, where, 3, count=1)  # was only in the buffer
    after = feature_log(tmp_path)
    await take(after, where, 0, 1, 2, 3, count=1)
    await after.commit()
    assert offsets_of(where) == [0, 1, 2, 3]
    assert LogTable(where).version_of(app_id(TOPIC, 0)) == 4


async def test_a_crash_between_the_commits_of_two_tables_loses_nothing(tmp_path: Path) -> None:
    ours, other = place(tmp_path), place(tmp_path, model="wine")
    before = feature_log(tmp_path)
    await take(before, ours, 0, 2, count=1)
    await before.commit()  # the crash: `other` with offset 1 was to follow
    after = feature_log(tmp_path)
    await take(after, ours, 0, count=1)
    await take(after, other, 1, count=1)
    await take(after, ours, 2, 3, count=1)
    await after.commit()
    assert (offsets_of(ours), offsets_of(other)) == ([0, 2, 3], [1])


async def test_enough_rows_are_committed_at_once(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path, rows=10), place(tmp_path)
    await take(log, where, 0, 1, 2)
    assert log.waiting == 9
    assert not where.path.joinpath("event_day=2013-03-01").exists()
    await take(log, where, 3)
    assert (log.waiting, len(rows_of(where))) == (0, 12)


async def test_rows_of_many_days_are_committed_at_once_so_that_no_commit_writes_too_many_files(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    apart = np.arange(100) * np.timedelta64(1, "D")
    for offset in range(3):
        days = np.datetime64("2013-03-01", "us") + offset * np.timedelta64(100, "D") + apart
        rows = prediction_rows(replace(batch(100), event_time=days), definition(), CATEGORIES, origin(offset))
        assert log.waiting == offset * 100
        await log.add(where, rows, origin(offset))
    assert (log.waiting, len(LogTable(where).delta.file_uris())) == (0, 300)


async def test_the_slower_of_two_workers_drops_its_rows_and_reads_again(tmp_path: Path) -> None:
    where = place(tmp_path)
    frozen, other = feature_log(tmp_path), feature_log(tmp_path)
    await take(frozen, where, 0, 1, count=1)
    await take(frozen, place(tmp_path, "predictions", "wine"), 2, count=1)
    await take(other, where, 0, count=1)
    await other.commit()
    with pytest.raises(Fenced):
        await frozen.commit()
    with pytest.raises(Fenced):  # nothing goes on, so that Kafka's offsets can't move past what was dropped
        await frozen.commit()
    with pytest.raises(Fenced):
        await take(frozen, where, 3)
    frozen.forget()
    await take(frozen, where, 0, 1, count=1)
    await frozen.commit()
    assert offsets_of(where) == [0, 1]


async def test_a_feature_that_changes_its_type_is_refused_by_name(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    retyped = definition(origin_kind="numeric")
    rows = prediction_rows(batch(), definition(), CATEGORIES, origin(1))
    position = rows.column_names.index("origin")
    numeric = rows.set_column(position, "origin", pa.nulls(3, pa.float32()))
    assert retyped.digest != definition().digest
    await take(log, where, 0)
    with pytest.raises(Unreadable, match="origin: is string in the log and can't become float"):
        await log.add(where, numeric, origin(1))
    await log.commit()
    with pytest.raises(Unreadable, match="origin"):
        await log.add(where, numeric, origin(1))
    await take(log, where, 2)
    await log.commit()
    assert offsets_of(where) == [0, 0, 0, 2, 2, 2]


async def test_two_new_features_of_one_name_and_two_types_meet_in_the_buffer(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    rows = prediction_rows(batch(), definition(), CATEGORIES, origin(0))
    await log.add(where, rows, origin(0))
    await log.add(where, rows.append_column("visib", pa.nulls(3, pa.float32())), origin(1))
    with pytest.raises(Unreadable, match="visib"):
        await log.add(where, rows.append_column("visib", pa.nulls(3, pa.string())), origin(2))


async def test_labels_and_predictions_are_tables_of_their_own(tmp_path: Path) -> None:
    log = feature_log(tmp_path)
    message = label_message(0, count=4)
    event = decode(message)
    assert isinstance(event, LabelsReceived)
    at = origin(0, topic=message.topic)
    await log.add(place(tmp_path, "labels"), label_rows(event, at)["labels"], at)
    await take(log, place(tmp_path), 0)
    await log.commit()
    assert (len(rows_of(place(tmp_path, "labels"))), len(rows_of(place(tmp_path)))) == (4, 3)


async def test_small_files_are_merged_after_so_many_commits(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path, compact_commits=5), place(tmp_path)
    for offset in range(12):
        await take(log, where, offset, count=1)
        await log.commit()
        await take(log, where, offset, count=1)  # is still known after each commit and compaction
        await log.at_rest()
    assert len(LogTable(where).delta.file_uris()) <= 5
    assert offsets_of(where) == list(range(12))


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file of this process can grow beyond `free` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class Told:
    """Whoever is told that a commit has to wait, and that it is done."""

    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.something = asyncio.Event()

    def __call__(self, reason: str | None) -> None:
        self.reasons.append(reason)
        self.something.set()


def data_files(where: Place) -> int:
    return len(list(where.path.rglob("*.parquet")))


# Many days make the log file larger than any data file.
# What is half-written goes; whole files wait for their log entry.
@pytest.mark.parametrize(
    ("free", "days", "whole_files"), [(100, 1, 0), (15_000, 40, 40)], ids=["data file", "log file"]
)
async def test_a_full_disk_delays_the_commit_and_it_goes_on_by_itself(
    tmp_path: Path, free: int, days: int, whole_files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.feature_logging.store.persist.RETRY_SECONDS", (0.01,))
    told, where = Told(), place(tmp_path)
    log = FeatureLog(tmp_path, Limits(1_000, 1_000), told)
    for offset in range(days):
        at = origin(offset)
        await log.add(where, prediction_rows(batch(1, offset * 1_440), definition(), CATEGORIES, at), at)
    with capture_logs() as lines:
        with full_disk(free):
            commit = asyncio.create_task(log.commit())
            await asyncio.wait_for(told.something.wait(), 30)
            assert not commit.done()
            assert (log.waiting, len(rows_of(where))) == (days, 0)
            assert data_files(where) == whole_files
        await commit
    assert offsets_of(where) == list(range(days))
    assert data_files(where) == days
    assert "can't be written" in str(told.reasons[0])
    assert told.reasons[1:] == [None]
    assert [line["log_level"] for line in lines] == ["warning", "info"]


async def test_a_commit_that_was_cancelled_while_it_ran_counts_once(tmp_path: Path) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    await take(log, where, 0, 1, count=1)
    commit = asyncio.create_task(log.commit())
    await asyncio.sleep(0.001)
    commit.cancel()
    await asyncio.gather(commit, return_exceptions=True)
    await log.commit()
    assert offsets_of(where) == [0, 1]


async def test_after_a_commit_that_may_be_lost_nothing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    await take(log, where, 0)
    failing_once(monkeypatch, f"{1:020}.json")
    for _ in range(2):
        with pytest.raises(NotDurable):
            await log.commit()
    with pytest.raises(NotDurable):
        await take(log, where, 1)
