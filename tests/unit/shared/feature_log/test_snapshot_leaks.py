"""Nothing that was not known at the moment of a snapshot gets into it, and rows without label can be kept."""

import pytest

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.events import SnapshotPin
from shared.events.retraining import LabelsWanted
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import Bounds, LeftOut, Snapshot, pin_snapshot, read_snapshot
from tests.unit.shared.feature_log.small_log import MODEL, START, Log, hours, key

AS_OF = 20


def known(log: Log, labels: LabelsWanted, logged_by: float | None = AS_OF) -> Snapshot:
    """What was known at AS_OF of the two days from START."""
    by = None if logged_by is None else hours(logged_by)
    return pin_snapshot(log.tables, MODEL, Bounds(START, hours(48), hours(AS_OF), "regression", labels, by))


def told(snapshot: Snapshot) -> dict[int, float | None]:
    """Label by number of request."""
    rows = snapshot.table.select(["request_id", "label"]).to_pylist()
    return {int.from_bytes(row["request_id"], "big"): row["label"] for row in rows}


@pytest.fixture
def planted(log: Log) -> Log:
    """Six rows at hours 1 to 6 with good labels at hours 11 to 16, and a leak of each kind."""
    with log.together():
        for number in range(1, 7):
            log.predict(number, hours(number), log_time=hours(number))
            log.label(number, hours(10 + number), 0.0, log_time=hours(10 + number))
        log.label(1, hours(12), 1.0, log_time=hours(20.5))  # says a time before as_of, came after it
        log.label(2, hours(21), 1.0, log_time=hours(15))  # a correction of later, by a clock that is ahead
        log.label(3, hours(2.5), 1.0, log_time=hours(19))  # older than its row
        log.predict(7, hours(7), log_time=hours(21))  # a prediction that came after as_of
        log.label(7, hours(8), 1.0, log_time=hours(19))
        log.predict(8, hours(22), log_time=hours(19))  # an event time in the future
        log.label(8, hours(20), 1.0, log_time=hours(19))
        log.predict(9, hours(9), log_time=hours(9))  # labelled too late only, by either clock
        log.label(9, hours(21), 1.0, log_time=hours(21))
        log.predict(10, hours(9), log_time=hours(9))
        log.label(10, hours(8), 1.0, log_time=hours(19))  # older than its row, and the only one
    return log


def test_no_planted_leak_gets_in(planted: Log) -> None:
    snapshot = known(planted, "required")
    assert told(snapshot) == dict.fromkeys(range(1, 7), 0.0)
    assert snapshot.left_out == LeftOut(early=2)


def test_rows_without_label_come_with_null_where_they_are_wanted(planted: Log) -> None:
    snapshot = known(planted, "left")
    assert told(snapshot) == dict.fromkeys(range(1, 7), 0.0) | {9: None, 10: None}
    assert snapshot.left_out == LeftOut(early=2)


def test_where_events_are_replayed_event_time_alone_bounds_what_was_known(planted: Log) -> None:
    assert told(known(planted, "required", logged_by=None)) == dict.fromkeys(range(1, 8), 0.0) | {1: 1.0, 7: 1.0}


def test_history_without_a_label_that_was_known_comes_with_null(log: Log) -> None:
    common = {"row": 0, "wind": 1.0}
    log.append(
        "history",
        {"request_id": key(1), "event_time": hours(1), "label": 1.0, "label_time": hours(2)} | common,
        {"request_id": key(2), "event_time": hours(2), "label": 1.0, "label_time": hours(30)} | common,
        {"request_id": key(3), "event_time": hours(3)} | common,
        {"request_id": key(4), "event_time": hours(4), "label": 5.0, "label_time": hours(4)} | common,
    )
    log.predict(4, hours(4))  # logged as well, but without label
    assert told(known(log, "left")) == {1: 1.0, 2: None, 3: None, 4: 5.0}
    assert told(known(log, "required")) == {1: 1.0, 4: 5.0}


def test_rows_without_label_come_even_where_no_label_ever_came(log: Log) -> None:
    log.predict(1, hours(1))
    assert told(known(log, "left")) == {1: None}
    assert told(known(log, "required")) == {}


def test_a_pin_with_all_its_bounds_reads_the_same_rows_again(planted: Log) -> None:
    snapshot = known(planted, "left")
    pin = SnapshotPin.model_validate_json(snapshot.pin.model_dump_json())
    assert (pin.labels, pin.logged_by) == ("left", hours(AS_OF))
    planted.label(9, hours(10), 1.0, log_time=hours(10))
    again = read_snapshot(planted.tables, MODEL, pin)
    assert (again.table, again.files) == (snapshot.table, snapshot.files)


def test_the_files_are_those_that_may_hold_its_rows(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(2, hours(30))
    log.label(1, hours(2), 1.0)
    log.label(1, hours(90), 1.0)
    snapshot = pin_snapshot(log.tables, MODEL, Bounds(START, hours(24), hours(40), None))
    assert list(snapshot.files) == ["predictions", "labels"]
    for kind, files in snapshot.files.items():
        (file,) = files
        assert file.startswith("event_day=2013-03-01/")
        assert (table_path(log.tables, MODEL, kind) / file).is_file()


def test_labels_of_before_the_start_are_neither_read_nor_counted_where_their_kind_is_known(log: Log) -> None:
    for number, hour in ((1, 30), (2, 31)):
        log.predict(number, hours(hour))
        log.label(number, hours(12), 1.0)  # of the day before
        log.label(number, hours(24.5), 1.0)  # of the day, but before the start
        log.label(number, hours(29), 1.0)
        log.label(number, hours(33), 0.0)

    def read(kind: LabelKind | None) -> Snapshot:
        return pin_snapshot(log.tables, MODEL, Bounds(hours(25), hours(48), hours(40), kind, "left"))

    snapshot = read("binary")
    assert (told(snapshot), snapshot.left_out) == ({1: 0.0, 2: 0.0}, LeftOut(early=2))
    assert {file.split("/")[0] for file in snapshot.files["labels"]} == {"event_day=2013-03-02"}
    assert (len(snapshot.files["labels"]), len(read(None).files["labels"])) == (4, 8)
    assert read(None).pin.row_hash == snapshot.pin.row_hash


def test_a_log_time_without_zone_is_refused_by_name(log: Log) -> None:
    with pytest.raises(InvalidInput, match="logged_by"):
        pin_snapshot(log.tables, MODEL, Bounds(START, hours(1), hours(2), None, "left", START.replace(tzinfo=None)))
