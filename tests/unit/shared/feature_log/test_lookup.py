"""One prediction by its id, and how far the labels have come."""

from datetime import datetime

import pytest

from shared.errors import InvalidInput
from shared.feature_log.lookup import find_prediction, newest_bundle
from shared.feature_log.watermark import label_watermark
from tests.unit.shared.feature_log.small_log import MODEL, Log, hours, key


def test_the_champions_first_answer_is_found_with_its_features(log: Log) -> None:
    log.predict(1, hours(2), repeat=True)
    log.predict(1, hours(1), role="shadow")
    log.predict(1, hours(3), row=1)
    log.predict(1, hours(4), wind=None)
    row = find_prediction(log.tables, MODEL, key(1), 0)
    assert (row["event_time"], row["role"], row["repeat"]) == (hours(4), "champion", False)
    assert (row["wind"], row["origin"], row["scores"]) == (None, "EWR", [0.25])


def test_an_unknown_id_is_said(log: Log) -> None:
    with pytest.raises(InvalidInput, match="request_id"):
        find_prediction(log.tables, MODEL, key(1))
    log.predict(2, hours(1))
    with pytest.raises(InvalidInput, match="request_id"):
        find_prediction(log.tables, MODEL, key(1))


def watermark(log: Log, since: float = 0, needed: float = 0) -> datetime | None:
    return label_watermark(log.tables, MODEL, hours(since), hours(needed))


def test_the_label_watermark_is_the_highest_event_time_of_labels(log: Log) -> None:
    assert watermark(log) is None
    for number in (1, 2, 3):
        log.predict(number, hours(number))
    assert watermark(log) is None
    log.label(1, hours(900), 1.0, kind="business")
    assert watermark(log) is None
    log.label(1, hours(30), 1.0)
    log.label(2, hours(30.000001), 1.0)
    log.label(3, hours(5), 1.0)
    assert watermark(log) == hours(30.000001)


def test_labels_of_other_days_than_their_rows_count(log: Log) -> None:
    for number in (1, 2, 3):
        log.predict(number, hours(number * 24))
    log.label(3, hours(80), 1.0)
    log.label(1, hours(200), 1.0)  # the oldest row, so the last day that is looked at
    log.label(2, hours(100), 1.0)
    assert watermark(log) == hours(200)


def test_labels_of_rows_that_are_not_in_the_log_move_no_watermark(log: Log) -> None:
    log.label(9, hours(24 * 365 * 7_000), 1.0)
    assert watermark(log) is None
    log.predict(1, hours(1))
    log.label(1, hours(5), 1.0, row=1)
    assert watermark(log) is None
    log.label(1, hours(4), 1.0)
    assert watermark(log) == hours(4)


def test_labels_older_than_their_row_move_no_watermark(log: Log) -> None:
    log.predict(1, hours(10))
    log.label(1, hours(9), 1.0)
    assert watermark(log) is None


def test_only_labels_as_late_as_needed_of_rows_since_the_onset_are_looked_at(log: Log) -> None:
    log.predict(1, hours(1))
    log.predict(2, hours(50))
    log.label(1, hours(60), 1.0)
    log.label(2, hours(55), 1.0)
    assert watermark(log, since=49, needed=54) == hours(55)
    assert watermark(log, since=49, needed=56) is None
    assert watermark(log, needed=56) == hours(60)


def test_the_newest_bundle_is_that_of_the_champions_row_that_was_logged_last(log: Log) -> None:
    assert newest_bundle(log.tables, MODEL) is None
    log.predict(1, hours(30), log_time=hours(31))
    log.predict(2, hours(31), log_time=hours(33), bundle_digest="b" * 64)
    log.predict(3, hours(32), log_time=hours(34), bundle_digest="c" * 64, role="shadow")
    log.predict(4, hours(1), log_time=hours(35), bundle_digest="d" * 64)  # replayed, of another day
    assert newest_bundle(log.tables, MODEL) == "b" * 64
    log.predict(5, hours(24 * 365 * 7_000), log_time=hours(36), bundle_digest="e" * 64)  # by a clock that is wrong
    assert newest_bundle(log.tables, MODEL) == "b" * 64
