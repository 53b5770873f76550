"""Rows around a time, labelled or not, and all rows by their place in Kafka."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shared.errors import Unreadable
from shared.feature_log.answered import Wanted, all_rows, columns_of, forgotten_rows, rows_around
from tests.unit.shared.feature_log.small_log import MODEL, Log, hours

DIGEST = "a" * 64


def numbers(rows: pa.Table) -> list[float]:
    found: list[float] = rows.column("wind").to_pylist()
    return found


def around(log: Log, wanted: Wanted) -> tuple[list[float], list[float]]:
    before, after = rows_around(log.tables, MODEL, DIGEST, wanted)
    return numbers(before), numbers(after)


def test_as_many_rows_before_as_after_in_order_of_time(log: Log) -> None:
    for number in (9, 1, 2, 3, 12, 7, 11):
        log.predict(number, hours(number))
    assert around(log, Wanted(hours(9), hours(12), None, 1, 10)) == ([3, 7], [9, 11])


def test_only_the_champions_rows_of_the_bundle_that_are_no_repeats(log: Log) -> None:
    others: list[dict[str, Any]] = [{"repeat": True}, {"role": "shadow"}, {"bundle_digest": "b" * 64}, {}]
    for number, other in enumerate(others):
        log.predict(number, hours(5), **other)
        log.predict(number, hours(4), **other)
    assert around(log, Wanted(hours(5), hours(6), None, 1, 10)) == ([3], [3])


def test_too_few_rows_go_on_after_the_end_until_a_time(log: Log) -> None:
    for number in range(20):
        log.predict(number, hours(number))
    assert around(log, Wanted(hours(10), hours(11), None, 4, 10)) == ([6, 7, 8, 9], [10, 11, 12, 13])
    assert around(log, Wanted(hours(10), hours(11), hours(12), 4, 10)) == ([8, 9], [10, 11])
    assert around(log, Wanted(hours(10), hours(18), None, 4, 6))[1] == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("years", [9, 5_000])
def test_a_span_of_many_years_is_looked_around_as_far_as_there_are_times(log: Log, years: int) -> None:
    for number in (1, 9):
        log.predict(number, hours(number))
    until = hours(9) + timedelta(days=365 * years)
    assert around(log, Wanted(hours(9), until, None, 5, 10)) == ([1], [9])


def test_a_log_that_is_not_there_is_said(log: Log) -> None:
    with pytest.raises(Unreadable, match="there are no rows of flights"):
        rows_around(log.tables, MODEL, DIGEST, Wanted(hours(0), hours(1), None, 1, 1))
    with pytest.raises(Unreadable, match="there are no rows of flights"):
        all_rows(log.tables, MODEL)


def test_all_rows_come_in_the_order_of_their_places(log: Log) -> None:
    log.predict(1, hours(5), source_offset=3)
    log.predict(2, hours(4), source_offset=1)
    log.predict(3, hours(1), source_partition=1, source_offset=0, role="shadow")
    log.predict(4, hours(1), source_offset=9, role="forgotten")
    assert numbers(all_rows(log.tables, MODEL)) == [2, 1, 3]
    assert forgotten_rows(log.tables, MODEL) == 1


def test_columns_hold_missing_numbers_as_nan_and_missing_categories_as_none(log: Log) -> None:
    log.predict(1, hours(5), wind=None, origin=None)
    found = columns_of(all_rows(log.tables, MODEL), ["wind", "origin"])
    assert np.isnan(found["wind"]).tolist() == [True]
    assert found["origin"] == [None]
    with pytest.raises(Unreadable, match="there is no feature rain"):
        columns_of(all_rows(log.tables, MODEL), ["rain"])
