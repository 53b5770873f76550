import numpy as np
import pytest

from services.drift_detection.domain.clock import EARLIEST, FUTURE, sort_rows, watermark

HOUR = 3_600_000_000
NOW = 1_772_323_200_000_000


@pytest.mark.parametrize(
    ("highest", "at_end", "expected"),
    [
        ({0: 5, 1: 3, 2: 9}, {}, 3),
        ({0: 5, 1: 3, 2: 9}, {1}, 5),
        ({0: 5, 1: 3, 2: 9}, {0, 1, 2}, 9),
        ({0: 5, 1: None, 2: 9}, {0, 2}, None),
        ({0: 5, 1: None, 2: 9}, {0, 1, 2}, 9),
        ({0: 5, 1: None, 2: 9}, {1}, 5),
        ({0: None, 1: None}, {0, 1}, None),
    ],
)
def test_the_watermark_is_the_least_of_those_with_unread_rows_else_the_greatest(
    highest: dict[int, int | None], at_end: set[int], expected: int | None
) -> None:
    assert watermark(highest, at_end) == expected


def test_rows_are_counted_in_time_or_kept_out() -> None:
    times = NOW + np.array([0, -HOUR, -HOUR - 1, FUTURE, FUTURE + 1, 0, -HOUR - 1])
    found = sort_rows(times, NOW, HOUR, NOW)
    assert found.in_time.tolist() == [True, True, False, True, False, True, False]
    assert found.future.tolist() == [False] * 4 + [True] + [False] * 2
    assert (found.highest, found.span) == (NOW + FUTURE, (NOW - HOUR, NOW + FUTURE))


def test_a_message_in_time_does_not_set_the_clock_back() -> None:
    found = sort_rows(NOW - np.arange(3), NOW + HOUR, 2 * HOUR, NOW)
    assert found.in_time.all()
    assert found.highest == NOW + HOUR
    assert sort_rows(np.array([], np.int64), NOW, HOUR, NOW).highest == NOW


def test_rows_of_one_message_are_never_late_by_one_another() -> None:
    found = sort_rows(NOW - np.arange(10) * HOUR, None, HOUR, NOW)
    assert found.in_time.all()
    assert not found.future.any()
    assert found.span == (NOW - 9 * HOUR, NOW)
    assert found.highest == NOW


def test_a_time_that_is_none_moves_no_clock() -> None:
    odd = np.array([EARLIEST - 1, np.iinfo(np.int64).min, NOW + 10 * FUTURE])
    found = sort_rows(odd, None, HOUR, NOW)
    assert not found.in_time.any()
    assert found.span is None
    assert found.highest is None
    assert sort_rows(odd, NOW, HOUR, NOW).highest == NOW
