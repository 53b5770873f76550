"""Four versions of one definition, old and new writers and readers at once, and one that can't be: real tables."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from deltalake import DeltaTable

from services.feature_logging.models import Known
from services.feature_logging.store.compaction import compact
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable
from services.feature_logging.stream.intake import Intake
from shared.batch import Meta, encode_batch
from shared.cloudevents import encode
from shared.definition import ModelDefinition, parse_definition
from shared.errors import Unreadable
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.schema import PREDICTIONS, rejected_path, table_path
from shared.feature_log.snapshot import Bounds, pin_snapshot, read_snapshot
from shared.features import UNSEEN, Rows
from shared.kafka.message import InMessage
from tests.unit.feature_logging.samples import LOGGED_MS, MODEL, START, batch, feature_log, key, message

WIND, TEMP, GUST, SPEED = (
    f'{{ name = "{name}", kind = "numeric" }}' for name in ("wind", "temp", "gust", "wind_speed")
)
ORIGIN = '{ name = "origin", kind = "categorical" }'
NEW_YORK, ALL = ("EWR", "JFK", "LGA"), ("EWR", "JFK", "LGA", "BOS")
FIRST, ADDED, REMOVED, RENAMED, RETYPED, OTHER = "123456"
FEATURES = {
    FIRST: ([WIND, ORIGIN, TEMP], NEW_YORK),
    ADDED: ([WIND, ORIGIN, TEMP, GUST], NEW_YORK),  # and a row of a category that it does not know
    REMOVED: ([WIND, ORIGIN, GUST], ALL),  # and that category added
    RENAMED: ([SPEED, ORIGIN, GUST], ALL),
    RETYPED: ([WIND, ORIGIN.replace("categorical", "numeric"), GUST], ALL),
    OTHER: ([WIND, ORIGIN, SPEED.replace("numeric", "categorical")], ALL),
}
ROWS = 4


def definition(version: str) -> ModelDefinition:
    features = ", ".join(FEATURES[version][0])
    text = f'name = "{MODEL}"\nowner = "ops"\nfeatures = [{features}]\n'
    return parse_definition(text + 'label = { name = "late", kind = "binary", expected_delay_hours = 1 }')


def lookup(digest: str) -> Known:
    known, categories = definition(digest[0]), FEATURES[digest[0]][1]
    return Known(known, dict(zip(known.categorical, [categories] * 2, strict=False)))


def rows_of(version: str, offset: int, partition: int = 0) -> InMessage:
    """ROWS rows of a version. Its numeric features hold the offset; its categories count up, the last is unseen."""
    known = definition(version)
    numeric = np.full((ROWS, len(known.numeric)), offset, np.float32)
    codes = np.repeat([[0], [1], [len(FEATURES[version][1]) - 1], [UNSEEN]], len(known.categorical), axis=1)
    meta = Meta(MODEL, version * 64, known.digest, "champion", "p", 0, ROWS)
    some = batch(ROWS, first=(partition * 1_000 + offset) * ROWS)
    return message(
        encode_batch(replace(some, meta=meta, rows=Rows(numeric, codes.astype(np.int32)))), offset, partition
    )


def labels_of(offset: int) -> InMessage:
    """A label for each row that `rows_of` gives at this offset of partition 0."""
    items = tuple(
        LabelItem(request_id=str(UUID(bytes=key(number))), value=1.0, event_time=START + timedelta(hours=20))
        for number in range(offset * ROWS, (offset + 1) * ROWS)
    )
    out = encode(LabelsReceived(id=stable_id(offset), time=START, model=MODEL, labels=items), "inference")
    return InMessage(out.topic, 0, offset, out.key, out.value, out.headers, LOGGED_MS)


class Worker:
    """Reads one partition as the consume loop does: what is fenced is read again from the start."""

    def __init__(self, tables: Path) -> None:
        self.log = feature_log(tables)
        self.intake = Intake(self.log, lookup)
        self.read: list[InMessage] = []
        self.dead: dict[int, str] = {}
        self.fenced = 0

    async def take(self, *messages: InMessage) -> None:
        self.read += messages
        try:
            await self._take(messages)
        except Fenced:
            self.fenced += 1
            self.intake.forget()
            await self._take(self.read)

    async def _take(self, messages: Any) -> None:
        for each in messages:
            try:
                await self.intake.handle(each)
            except Unreadable as error:
                self.dead[each.offset] = str(error)
                await self.intake.reject(each, str(error))
        await self.intake.flush()


async def two(tables: Path) -> tuple[Worker, Worker]:
    """Of one partition each."""
    first, second = Worker(tables), Worker(tables)
    await first.take(rows_of(REMOVED, 0))
    await second.take(rows_of(REMOVED, 0, 1))
    return first, second


def table_of(tables: Path, version: int | None = None) -> DeltaTable:
    return DeltaTable(table_path(tables, MODEL, "predictions"), version=version)


def by_offset(table: DeltaTable, partition: int = 0) -> dict[int, dict[str, Any]]:
    """The features of the row of each message whose category is the greatest known one, by offset."""
    own = {*PREDICTIONS.names} - {"source_offset"}
    rows = table.to_pyarrow_table().to_pylist()
    chosen = [row for row in rows if (row["source_partition"], row["source_row"]) == (partition, 2)]
    return {
        row["source_offset"]: {name: value for name, value in row.items() if name not in {*own, "source_offset"}}
        for row in chosen
    }


async def test_versions_written_at_once_by_two_workers_are_all_logged_and_read_by_name(tmp_path: Path) -> None:
    old, new = Worker(tmp_path), Worker(tmp_path)
    await old.take(rows_of(FIRST, 0))
    before = table_of(tmp_path)  # an old reader, which has opened the table already
    await new.take(rows_of(ADDED, 0, 1), rows_of(REMOVED, 1, 1))
    await old.take(rows_of(FIRST, 1))  # its table has no `gust` yet
    await new.take(rows_of(RENAMED, 2, 1), rows_of(FIRST, 3, 1))
    await old.take(rows_of(FIRST, 2), rows_of(RENAMED, 3))
    assert (old.fenced > 0, old.dead | new.dead) == (True, {})
    report = completeness(open_log(tmp_path))
    assert (report.complete, [part.rows for part in report.partitions]) == (True, [16, 16])
    assert by_offset(table_of(tmp_path)) == {
        **{at: {"wind": at, "origin": "LGA", "temp": at, "gust": None, "wind_speed": None} for at in range(3)},
        3: {"wind": None, "origin": "BOS", "temp": None, "gust": 3.0, "wind_speed": 3.0},
    }
    assert by_offset(table_of(tmp_path), 1) == {
        0: {"wind": 0.0, "origin": "LGA", "temp": 0.0, "gust": 0.0, "wind_speed": None},
        1: {"wind": 1.0, "origin": "BOS", "temp": None, "gust": 1.0, "wind_speed": None},
        2: {"wind": None, "origin": "BOS", "temp": None, "gust": 2.0, "wind_speed": 2.0},
        3: {"wind": 3.0, "origin": "LGA", "temp": 3.0, "gust": None, "wind_speed": None},
    }
    assert by_offset(before) == {0: {"wind": 0.0, "origin": "LGA", "temp": 0.0}}


async def test_old_rows_keep_their_values_when_files_of_different_versions_are_merged(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    for offset, version in enumerate([FIRST, ADDED, REMOVED, RENAMED]):
        await worker.take(rows_of(version, offset))
    there = table_of(tmp_path)
    assert compact(LogTable(Place(table_path(tmp_path, MODEL, "predictions"), PREDICTIONS))) == 4
    assert by_offset(table_of(tmp_path)) == by_offset(there)


async def test_a_pinned_snapshot_is_the_same_after_later_versions_and_a_new_one_spans_all(tmp_path: Path) -> None:
    worker, bounds = Worker(tmp_path), Bounds(START, START + timedelta(days=1), START + timedelta(days=2), "binary")
    await worker.take(rows_of(FIRST, 0), labels_of(0))
    pinned = pin_snapshot(tmp_path, MODEL, bounds)
    for offset, version in enumerate([ADDED, REMOVED, RENAMED], 1):
        await worker.take(rows_of(version, offset), labels_of(offset))
    again = read_snapshot(tmp_path, MODEL, pinned.pin)
    assert (again.table, len(again)) == (pinned.table, ROWS)
    spanning = pin_snapshot(tmp_path, MODEL, bounds).table
    assert len(spanning) == 4 * ROWS
    columns = ("wind", "gust", "temp", "wind_speed")
    assert [spanning.column(name).null_count // ROWS for name in columns] == [1, 1, 2, 3]
    assert set(spanning.column("origin").to_pylist()) == {*ALL, None}


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_retyped_feature_is_named_and_refused_and_no_other_row_is_lost(tmp_path: Path, waiting: bool) -> None:
    worker, stream = Worker(tmp_path), [rows_of(each, at) for at, each in enumerate((FIRST, RETYPED, REMOVED, RETYPED))]
    if waiting:
        await worker.take(*stream)
    else:
        for each in stream:
            await worker.take(each)
    reason = "origin: is string in the log and can't become float; give the feature a new name"
    assert worker.dead == {1: reason, 3: reason}
    restarted = Worker(tmp_path)
    await restarted.take(*stream)
    assert restarted.dead == worker.dead
    (report,) = completeness(open_log(tmp_path)).partitions
    assert (report.complete, report.rows, report.rejected) == (True, 2 * ROWS, 2)
    assert set(by_offset(table_of(tmp_path))) == {0, 2}


async def test_of_two_workers_that_add_a_feature_in_two_types_the_second_is_refused(tmp_path: Path) -> None:
    first, second = await two(tmp_path)
    await first.take(rows_of(RENAMED, 1))
    await second.take(rows_of(OTHER, 1, 1))
    assert second.fenced == 1
    assert second.dead == {1: "wind_speed: is float in the log and can't become string; give the feature a new name"}
    assert completeness(open_log(tmp_path)).complete


async def test_a_writer_that_has_not_looked_for_a_minute_sees_the_type_before_it_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await two(tmp_path)
    await second.intake.handle(rows_of(OTHER, 1, 1))
    await first.take(rows_of(RENAMED, 1))
    monkeypatch.setattr("services.feature_logging.store.table.FRESH", 0)
    with pytest.raises(Fenced, match="wind_speed"):
        await second.intake.flush()


async def test_what_is_found_unreadable_only_when_it_is_read_again_is_in_a_table_though_later_ones_are_already(
    tmp_path: Path,
) -> None:
    first, second = await two(tmp_path)
    await first.take(rows_of(RENAMED, 1))
    await second.take(rows_of(OTHER, 1, 1), rows_of(RETYPED, 2, 1))
    for worker in (second, Worker(tmp_path)):
        worker.read = second.read
        await worker.take()
        assert completeness(open_log(tmp_path)).complete
    assert sorted(DeltaTable(rejected_path(tmp_path)).to_pyarrow_table().column("offset").to_pylist()) == [1, 2]
