"""Merging files moves no row, no offset and no pinned version, and two workers can't double what they merge."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from services.feature_logging.store.compaction import compact
from services.feature_logging.store.files import write_file
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable
from shared.feature_log.schema import REJECTED, app_id, rejected_path
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    TOPIC,
    batch,
    definition,
    origin,
    place,
    prediction_rows,
    rows_of,
)

P0, P1 = app_id(TOPIC, 0), app_id(TOPIC, 1)


def message(table: LogTable, offset: int, partition: int = 0, **columns: pa.Array) -> Pending:
    """One of two rows, a day apart from the next."""
    at = origin(offset, partition)
    rows = prediction_rows(batch(2, offset * 720), definition(), CATEGORIES, at)
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    app, pending = app_id(TOPIC, partition), Pending(rows.schema)
    pending.add(rows, app, judged=table.version_of(app), version=offset + 1)
    return pending


def commit(table: LogTable, offset: int, partition: int = 0, **columns: pa.Array) -> None:
    table.commit(message(table, offset, partition, **columns))


def in_order(table: pa.Table) -> pa.Table:
    return table.sort_by(
        [("source_partition", "ascending"), ("source_offset", "ascending"), ("source_row", "ascending")]
    )


def test_files_of_a_day_become_one_and_rows_stay(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    for offset in range(6):
        commit(table, offset)
    before, version = in_order(rows_of(place(tmp_path))), table.delta.version()
    assert compact(table) == 6
    assert len(table.delta.file_uris()) == 3
    assert in_order(rows_of(place(tmp_path))).equals(before)
    assert in_order(DeltaTable(place(tmp_path).path, version=version).to_pyarrow_table()).equals(before)
    assert LogTable(place(tmp_path)).version_of(P0) == 6
    assert compact(table) == 0


def test_a_writer_goes_on_over_the_compaction_of_another(tmp_path: Path) -> None:
    ours, theirs = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    for offset in range(4):
        commit(ours, offset)
        commit(theirs, offset, partition=1)
    compact(theirs)
    commit(ours, 4)
    commit(theirs, 4, partition=1)
    rows = rows_of(place(tmp_path))
    assert len(rows) == 20
    assert (LogTable(place(tmp_path)).version_of(P0), LogTable(place(tmp_path)).version_of(P1)) == (5, 5)


def test_of_two_compactions_at_once_one_is_refused_and_no_row_is_doubled(tmp_path: Path) -> None:
    ours = LogTable(place(tmp_path))
    for offset in range(4):
        commit(ours, offset)
    theirs = LogTable(place(tmp_path))
    compact(ours)
    with pytest.raises(Fenced):
        compact(theirs)
    assert len(rows_of(place(tmp_path))) == 8
    theirs.refresh()
    commit(theirs, 4)
    compact(theirs)
    assert len(rows_of(place(tmp_path))) == 10


def data_files(where: Place) -> int:
    return len(list(where.path.rglob("*.parquet")))


def test_files_of_a_commit_that_is_refused_are_removed(tmp_path: Path) -> None:
    ours, theirs = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    commit(ours, 0)
    with pytest.raises(Fenced):
        commit(theirs, 0)
    commit(ours, 1)
    theirs.refresh()
    compact(ours)
    assert data_files(place(tmp_path)) == 3
    with pytest.raises(Fenced):
        compact(theirs)
    assert data_files(place(tmp_path)) == 3


def test_files_of_a_compaction_that_breaks_off_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = LogTable(place(tmp_path))
    for offset in range(6):
        commit(table, offset)
    written = iter([write_file])

    def full(*arguments: Any, **options: Any) -> list[AddAction]:
        for write in written:
            return write(*arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.feature_logging.store.compaction.write_file", full)
    with pytest.raises(OSError, match="No space"):
        compact(table)
    assert data_files(place(tmp_path)) == 6


def test_a_commit_that_stands_though_its_answer_was_lost_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> None:
        raise OSError("timed out")

    table = LogTable(place(tmp_path))
    rows = message(table, 0)
    with monkeypatch.context() as during:
        during.setattr(table, "_settle", no_answer)
        with pytest.raises(OSError, match="timed out"):
            table.commit(rows)
    with pytest.raises(Fenced):
        table.commit(rows)
    assert len(rows_of(place(tmp_path))) == 2


def test_files_from_before_a_new_column_are_merged_with_those_after(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    commit(table, 0)
    commit(table, 1, visib=pa.array([1.0, 2.0], pa.float32()))
    assert compact(table) == 2
    assert in_order(rows_of(place(tmp_path)))["visib"].to_pylist() == [None, None, 1.0, 2.0]


def test_a_table_without_days_is_merged_too(tmp_path: Path) -> None:
    table = LogTable(Place(rejected_path(tmp_path), REJECTED))
    for offset in range(3):
        row = {"topic": TOPIC, "partition": 0, "offset": offset, "reason": "why"}
        pending = Pending(REJECTED)
        pending.add(pa.Table.from_pylist([row], schema=REJECTED), P0, judged=offset, version=offset + 1)
        table.commit(pending)
    assert compact(table) == 3
    assert sorted(DeltaTable(rejected_path(tmp_path)).to_pyarrow_table()["offset"].to_pylist()) == [0, 1, 2]
    assert len(table.delta.file_uris()) == 1
