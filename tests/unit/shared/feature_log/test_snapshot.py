"""A snapshot holds what was known at its moment, once, and notices when that changes."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.events import SnapshotPin
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import Bounds, LeftOut, Snapshot, SnapshotChanged, pin_snapshot, read_snapshot
from tests.unit.shared.feature_log.small_log import MODEL, START, Log, hours, key


def pinned(log: Log, end: float = 48, as_of: float = 96, kind: LabelKind = "regression") -> Snapshot:
    return pin_snapshot(log.tables, MODEL, Bounds(START, hours(end), hours(as_of), kind))


def labels_of(snapshot: Snapshot) -> dict[bytes, float]:
    return dict(zip(snapshot.table["request_id"].to_pylist(), snapshot.table["label"].to_pylist(), strict=True))


def test_a_label_after_as_of_does_not_leak(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(2, hours(2))
    log.label(1, hours(10), 0.0)
    log.label(1, hours(20), 1.0)  # a correction, known only later
    log.label(2, hours(15), 1.0)  # known only later
    assert labels_of(pinned(log, end=5, as_of=12)) == {key(1): 0.0}
    assert labels_of(pinned(log, end=5, as_of=20)) == {key(1): 1.0, key(2): 1.0}


def test_a_row_predicted_after_as_of_does_not_leak(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(2, hours(5))
    log.label(1, hours(1), 0.0)
    log.label(2, hours(1), 1.0)  # a label that came before its prediction
    assert labels_of(pinned(log, as_of=4)) == {key(1): 0.0}


def test_history_known_only_after_as_of_does_not_leak(log: Log) -> None:
    for number, label_hour in ((1, 10), (2, 30)):
        row = {"request_id": key(number), "row": 0, "event_time": hours(number), "wind": 1.0}
        log.append("history", row | {"label": 1.0, "label_time": hours(label_hour)})
    assert labels_of(pinned(log, as_of=20)) == {key(1): 1.0}


def test_labels_that_are_no_value_of_the_kind_are_left_out_and_counted(log: Log) -> None:
    for number, value in ((1, 0.0), (2, 1.0), (3, -1000.0), (4, 2.0), (5, 0.5)):
        log.predict(number, hours(number))
        log.label(number, hours(9), value)
    log.label(2, hours(10), -1000.0)  # a later one, too, must not take a good label's place
    log.label(99, hours(9), 7.0)  # of no row here
    snapshot = pinned(log, kind="binary")
    assert labels_of(snapshot) == {key(1): 0.0, key(2): 1.0}
    assert snapshot.left_out == LeftOut(unfit=4)
    assert (len(pinned(log)), pinned(log).left_out) == (5, LeftOut())


def test_labels_older_than_their_prediction_are_left_out_and_counted(log: Log) -> None:
    for number in (1, 2, 3):
        log.predict(number, hours(5))
    log.label(1, hours(5), 1.0)
    log.label(2, hours(4.999), 1.0)
    log.label(3, hours(4), 1.0)
    log.label(3, hours(6), 0.0)
    snapshot = pinned(log)
    assert labels_of(snapshot) == {key(1): 1.0, key(3): 0.0}
    assert snapshot.left_out == LeftOut(early=2)


def test_labels_of_history_are_held_to_the_same_rules(log: Log) -> None:
    for number, (value, hour) in enumerate(((1.0, 9), (3.0, 9), (1.0, 4)), start=1):
        row = {"request_id": key(number), "row": 0, "event_time": hours(5), "label": value, "label_time": hours(hour)}
        log.append("history", row)
    snapshot = pinned(log, kind="binary")
    assert labels_of(snapshot) == {key(1): 1.0}
    assert snapshot.left_out == LeftOut(unfit=1, early=1)


def test_a_pin_says_by_which_rule_its_labels_count_so_that_its_rows_are_found_again(log: Log) -> None:
    for number, value in ((1, 1.0), (2, -1000.0)):
        log.predict(number, hours(number))
        log.label(number, hours(9), value)
    snapshot = pinned(log, kind="binary")
    again = read_snapshot(log.tables, MODEL, SnapshotPin.model_validate_json(snapshot.pin.model_dump_json()))
    assert (again.pin, again.table, again.left_out) == (snapshot.pin, snapshot.table, LeftOut(unfit=1))
    before = pin_snapshot(log.tables, MODEL, Bounds(START, hours(48), hours(96), None))  # as it was before the rule
    assert "label_kind" not in before.pin.model_dump_json()
    assert len(read_snapshot(log.tables, MODEL, before.pin)) == 2


def test_bounds_are_start_included_end_excluded(log: Log) -> None:
    for number, hour in ((1, 0), (2, 24), (3, 48)):
        log.predict(number, hours(hour))
        log.label(number, hours(hour + 1), 1.0)
    log.predict(4, hours(-0.001))
    log.label(4, hours(1), 1.0)
    assert sorted(labels_of(pinned(log))) == [key(1), key(2)]


def test_the_latest_correction_wins_in_any_order_of_arrival(log: Log) -> None:
    log.predict(1, hours(1))
    for hour, value in ((12, 3.0), (30, 5.0), (20, 4.0), (30, 5.0)):
        log.label(1, hours(hour), value)
    snapshot = pinned(log)
    assert labels_of(snapshot) == {key(1): 5.0}
    assert snapshot.table["label_time"].to_pylist() == [hours(30)]


def test_of_two_labels_with_the_same_time_the_first_logged_or_imported_counts(log: Log) -> None:
    log.predict(1, hours(1))
    log.label(1, hours(9), 1.0)
    log.label(1, hours(9), 0.0)
    row = {"request_id": key(2), "row": 0, "event_time": hours(1), "label_time": hours(9)}
    for hour, value in ((5, 0.0), (3, 1.0), (7, 0.0)):
        log.append("history", row | {"label": value, "log_time": hours(hour)})
    assert labels_of(pinned(log)) == {key(1): 1.0, key(2): 1.0}


def test_repeats_shadows_other_kinds_and_unlabelled_rows_stay_out(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(1, hours(1), repeat=True)
    log.predict(1, hours(2), bundle_digest="b" * 64)  # the same id, answered again by another champion
    log.predict(2, hours(1), role="shadow")
    log.predict(3, hours(1))
    log.predict(4, hours(1))
    log.predict(5, hours(1), repeat=True)
    log.label(5, hours(9), 1.0)
    log.label(1, hours(9), 1.0)
    log.label(2, hours(9), 1.0)
    log.label(3, hours(9), 1.0, kind="business")
    snapshot = pinned(log)
    assert labels_of(snapshot) == {key(1): 1.0}
    assert snapshot.table["event_time"].to_pylist() == [hours(1)]


def test_rows_of_one_request_are_told_apart(log: Log) -> None:
    for row in (0, 1):
        log.predict(7, hours(1), row=row)
        log.label(7, hours(2), float(row), row=row)
    assert pinned(log).table.select(["row", "label"]).to_pylist() == [
        {"row": 0, "label": 0.0},
        {"row": 1, "label": 1.0},
    ]


def test_history_joins_what_was_logged_which_wins(log: Log) -> None:
    common = {"row": 0, "label": 0.0, "label_time": hours(3), "wind": 9.0, "origin": "JFK"}
    log.append(
        "history",
        {"request_id": key(1), "event_time": hours(0)} | common,
        {"request_id": key(2), "event_time": hours(0.5)} | common,
        {"request_id": key(2), "event_time": hours(0.5)} | common,
    )
    log.predict(1, hours(1))
    log.label(1, hours(9), 1.0)
    table = pinned(log).table
    assert table.column_names == [
        *("request_id", "row", "entity", "event_time", "origin", "wind", "score", "label", "label_time"),
    ]
    assert table.select(["request_id", "origin", "score", "label"]).to_pylist() == [
        {"request_id": key(2), "origin": "JFK", "score": None, "label": 0.0},
        {"request_id": key(1), "origin": "EWR", "score": 0.25, "label": 1.0},
    ]


def test_an_empty_log_gives_an_empty_snapshot_that_reads_back(log: Log) -> None:
    snapshot = pinned(log)
    assert (len(snapshot), snapshot.pin.predictions_version) == (0, None)
    assert read_snapshot(log.tables, MODEL, snapshot.pin).pin == snapshot.pin


def test_a_pin_reads_the_same_rows_after_the_log_has_grown(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(2, hours(2))
    log.label(1, hours(9), 1.0)
    before = pinned(log)
    log.label(1, hours(10), 0.0)
    log.label(2, hours(10), 0.0)
    log.append(
        "history", {"request_id": key(9), "row": 0, "event_time": hours(1), "label": 1.0, "label_time": hours(2)}
    )
    again = read_snapshot(log.tables, MODEL, before.pin)
    assert again.table.equals(before.table)
    assert pinned(log).pin.row_hash != before.pin.row_hash


def test_the_hash_does_not_depend_on_files_their_order_or_compaction(log: Log, tmp_path: Path) -> None:
    other = Log(tmp_path / "other")
    for number in range(1, 6):
        log.predict(number, hours(number))
        log.label(number, hours(number + 1), 1.0)
    for number in range(5, 0, -1):
        other.predict(number, hours(number))
    other.append("labels", *_all_rows(log))
    first = pinned(log)
    assert pinned(other).pin.row_hash == first.pin.row_hash
    DeltaTable(table_path(log.tables, MODEL, "predictions")).optimize.compact()
    assert pinned(log).pin.row_hash == first.pin.row_hash
    assert pinned(log).pin.predictions_version != first.pin.predictions_version


def _all_rows(log: Log) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = DeltaTable(table_path(log.tables, MODEL, "labels")).to_pyarrow_table().to_pylist()
    return rows


def test_changed_rows_are_noticed(log: Log) -> None:
    log.predict(1, hours(1))
    log.label(1, hours(9), 1.0)
    pin = pinned(log).pin
    path = table_path(log.tables, MODEL, "labels")
    changed = [row | {"value": 0.0} for row in _all_rows(log)]
    shutil.rmtree(path)
    log.append("labels", *changed)
    with pytest.raises(SnapshotChanged, match="pinned were 1 rows with hash"):
        read_snapshot(log.tables, MODEL, pin)


def test_a_lost_data_file_or_table_is_noticed(log: Log) -> None:
    log.predict(1, hours(1))
    log.label(1, hours(9), 1.0)
    pin = pinned(log).pin
    for file in table_path(log.tables, MODEL, "predictions").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(SnapshotChanged):
        read_snapshot(log.tables, MODEL, pin)
    shutil.rmtree(table_path(log.tables, MODEL, "predictions"))
    with pytest.raises(SnapshotChanged, match="predictions is gone"):
        read_snapshot(log.tables, MODEL, pin)


def test_bad_bounds_are_refused_by_name(log: Log) -> None:
    with pytest.raises(InvalidInput, match="end"):
        pinned(log, end=0)
    with pytest.raises(InvalidInput, match="start"):
        pin_snapshot(log.tables, MODEL, Bounds(START.replace(tzinfo=None), hours(1), hours(2), "regression"))


def test_a_feature_of_two_types_is_refused_by_name(log: Log) -> None:
    log.predict(1, hours(1))
    path = table_path(log.tables, MODEL, "history")
    write_deltalake(path, pa.table({"event_day": [START.date()], "wind": ["strong"]}), partition_by="event_day")
    with pytest.raises(InvalidInput, match="wind"):
        pinned(log)
