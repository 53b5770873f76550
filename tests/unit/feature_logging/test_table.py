"""One Delta table: what is committed once stays once, whoever tries again."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.sync import FSYNCS
from services.feature_logging.store.table import Fenced, LogTable, NotDurable
from shared.feature_log.reading import live_files
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
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def waiting(table: LogTable, offset: int, partition: int = 0, into: Pending | None = None) -> Pending:
    """A message's three rows, as the log would hold them for `table`."""
    at = origin(offset, partition)
    rows = prediction_rows(batch(first=partition * 1_000 + offset * 10), definition(), CATEGORIES, at)
    pending = into if into is not None else Pending(rows.schema)
    pending.add(
        rows, app_id(at.topic, partition), judged=table.version_of(app_id(at.topic, partition)), version=offset + 1
    )
    return pending


def test_rows_and_next_offset_are_one_commit(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    pending = waiting(table, 7, into=waiting(table, 4, partition=1))
    table.commit(pending)
    again = LogTable(place(tmp_path))
    assert (again.version_of(P0), again.version_of(P1), again.version_of(app_id(TOPIC, 2))) == (8, 5, 0)
    assert (again.delta.version(), len(rows_of(place(tmp_path)))) == (1, 6)


def test_of_two_writers_of_one_partition_the_second_is_refused(tmp_path: Path) -> None:
    first, second = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    theirs = waiting(second, 0)
    first.commit(waiting(first, 0))
    for _ in range(2):  # trying again does not help
        with pytest.raises(Fenced):
            second.commit(theirs)
    assert len(rows_of(place(tmp_path))) == 3


def test_a_commit_with_one_stale_partition_is_refused_whole(tmp_path: Path) -> None:
    first, second = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    both = waiting(second, 0, partition=1, into=waiting(second, 0))
    first.commit(waiting(first, 0))
    with pytest.raises(Fenced):
        second.commit(both)
    assert (LogTable(place(tmp_path)).version_of(P1), len(rows_of(place(tmp_path)))) == (0, 3)


def test_a_writer_that_saw_the_other_after_judging_is_refused(tmp_path: Path) -> None:
    first, second = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    theirs = waiting(second, 0)
    first.commit(waiting(first, 0))
    second.refresh()
    with pytest.raises(Fenced, match=P0):
        second.commit(theirs)


def test_writers_of_different_partitions_do_not_disturb_each_other(tmp_path: Path) -> None:
    first, second = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    for offset in range(3):
        first.commit(waiting(first, offset))
        second.commit(waiting(second, offset, partition=1))
    rows = rows_of(place(tmp_path))
    assert len(rows) == 18
    assert len(set(zip(rows["source_partition"].to_pylist(), rows["source_offset"].to_pylist(), strict=True))) == 6


def test_new_features_become_columns_and_old_rows_have_null(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    table.commit(waiting(table, 0))
    block = pa.array([1.0, 2.0, 3.0], pa.float32())
    rows = prediction_rows(batch(first=50), definition(), CATEGORIES, origin(1)).append_column("visib", block)
    pending = Pending(rows.schema)
    pending.add(rows, P0, judged=1, version=2)
    table.commit(pending)
    table.commit(waiting(table, 2))  # a writer of the older definition goes on
    values = rows_of(place(tmp_path)).sort_by([("source_offset", "ascending"), ("source_row", "ascending")])["visib"]
    assert values.to_pylist() == [None] * 3 + [1.0, 2.0, 3.0] + [None] * 3


def test_a_table_from_before_there_were_traces_takes_rows_that_tell_theirs(tmp_path: Path) -> None:
    new = prediction_rows(replace(batch(), traceparent=[TRACE, None, TRACE]), definition(), CATEGORIES, origin(1))
    old = prediction_rows(batch(first=50), definition(), CATEGORIES, origin(0)).drop_columns(["traceparent"])
    table = LogTable(Place(place(tmp_path).path, old.schema))
    for offset, rows in enumerate((old, new)):
        pending = Pending(rows.schema)
        pending.add(rows, P0, judged=offset, version=offset + 1)
        table.commit(pending)
    found = rows_of(place(tmp_path)).sort_by([("source_offset", "ascending"), ("source_row", "ascending")])
    assert found["traceparent"].to_pylist() == [None] * 3 + [TRACE, None, TRACE]


def test_a_writer_that_does_not_know_a_new_column_is_refused_and_then_goes_on(tmp_path: Path) -> None:
    old, new = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    rows = prediction_rows(batch(), definition(), CATEGORIES, origin(0)).append_column(
        "visib", pa.nulls(3, pa.float32())
    )
    pending = Pending(rows.schema)
    pending.add(rows, P0, judged=0, version=1)
    new.commit(pending)
    with pytest.raises(Fenced):
        old.commit(waiting(old, 0, partition=1))
    reopened = LogTable(place(tmp_path))
    reopened.commit(waiting(reopened, 0, partition=1))
    assert len(rows_of(place(tmp_path))) == 6


def test_every_commit_is_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = LogTable(place(tmp_path))
    synced: list[str] = []
    real = os.open

    def noted(path: str | Path, flags: int) -> int:
        synced.append(str(Path(path).relative_to(tmp_path)))
        return real(path, flags)

    monkeypatch.setattr(os, "open", noted)
    before = FSYNCS._value.get()
    table.commit(waiting(table, 0))
    base = "flights/predictions"
    data = [name for name in synced if name.endswith(".parquet")]
    log = f"{base}/_delta_log/{1:020}.json"
    assert len(data) == 1
    assert {base, f"{base}/event_day=2013-03-01", f"{base}/_delta_log", log} < set(synced)
    assert synced.index(data[0]) < synced.index(log)
    assert FSYNCS._value.get() - before == len(synced) >= 4


def test_a_day_gets_its_own_folder_and_files_can_be_skipped_by_time(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    late = batch(count=2_000)  # one row a minute: two days
    pending = Pending(table.schema)
    pending.add(prediction_rows(late, definition(), CATEGORIES, origin(0)), P0, judged=0, version=1)
    table.commit(pending)
    files = live_files(table.delta).to_pylist()
    assert [str(file["partition.event_day"]) for file in files] == ["2013-03-01", "2013-03-02"]
    assert [file["num_records"] for file in files] == [1440, 560]
    actions = [json.loads(line) for line in (tmp_path / f"flights/predictions/_delta_log/{1:020}.json").open()]
    stats = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    assert stats[1]["minValues"]["event_time"] == "2013-03-02T00:00:00.000000Z"
    assert stats[1]["maxValues"]["event_time"] == "2013-03-02T09:19:00.000000Z"
    assert (stats[0]["maxValues"]["source_row"], stats[0]["nullCount"]["event_time"]) == (1439, 0)


def test_plain_readers_find_rows_by_columns_that_have_no_statistics(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    table.commit(waiting(table, 7))
    plain = DeltaTable(str(place(tmp_path).path))
    wanted = [("role", "=", "champion"), ("repeat", "=", False)]
    assert plain.to_pyarrow_table(filters=wanted).num_rows == 3
    assert plain.to_pyarrow_table(filters=[("role", "=", "shadow")]).num_rows == 0


def test_a_table_without_days_is_one_folder(tmp_path: Path) -> None:
    where = Place(rejected_path(tmp_path), REJECTED)
    table = LogTable(where)
    row = dict.fromkeys(REJECTED.names) | {"topic": TOPIC, "partition": 0, "offset": 5, "reason": "why"}
    pending = Pending(REJECTED)
    pending.add(pa.Table.from_pylist([row], schema=REJECTED), P0, judged=0, version=6)
    table.commit(pending)
    assert DeltaTable(where.path).to_pyarrow_table().to_pylist() == [row]


def failing_once(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The first fsync of a file or folder whose path holds `at` fails."""
    failed: list[str] = []
    real = os.open

    def opened(path: str | Path, flags: int) -> int:
        if at in str(path) and not failed:
            failed.append(str(path))
            raise OSError(5, "Input/output error", str(path))
        return real(path, flags)

    monkeypatch.setattr(os, "open", opened)


def test_data_files_that_do_not_reach_the_disk_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = LogTable(place(tmp_path))
    rows = prediction_rows(batch(count=2_000), definition(), CATEGORIES, origin(0))
    pending = Pending(rows.schema)
    pending.add(rows, P0, judged=0, version=1)
    failing_once(monkeypatch, "event_day=2013-03-02/part")
    with pytest.raises(OSError, match="Input/output"):
        table.commit(pending)
    assert not list(tmp_path.rglob("*.parquet"))
    table.commit(pending)
    assert len(rows_of(place(tmp_path))) == 2_000


def test_a_commit_that_does_not_reach_the_disk_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = LogTable(place(tmp_path))
    failing_once(monkeypatch, f"{1:020}.json")
    with pytest.raises(NotDurable):
        table.commit(waiting(table, 0))
