import numpy as np

from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.too_late import MOST_WINDOWS, rows_too_late
from services.drift_detection.domain.windows import window_id
from shared.events import RowsTooLate
from shared.features import Rows
from shared.reference.panes import moment
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR


def told(times: np.ndarray[tuple[int], np.dtype[np.datetime64]], *, repeat: bool = False) -> list[RowsTooLate]:
    """Of rows at these times that come after ten hours were read."""
    state = PartitionState(3)
    state.take(0, batch(DIGEST, *hours(0, 10)), watched(), NOW)
    _, rows, scores = hours(0, 1)
    count = len(times)
    block = Rows(np.resize(rows.numeric, (count, 2)), np.resize(rows.categorical, (count, 1)))
    message = batch(DIGEST, times, block, np.resize(scores, (count, 1)), repeat=repeat)
    return rows_too_late(Place(3, 1, NOW), message, watched(), state.take(1, message, watched(), NOW))


def test_rows_too_late_are_counted_by_the_window_that_missed_them() -> None:
    times = START + np.array([0, 1, HOUR, 9 * HOUR]).astype("timedelta64[us]")
    [event] = told(times)
    assert [(one.start, one.rows) for one in event.windows] == [(moment(FIRST), 2), (moment(FIRST + HOUR), 1)]
    assert event.windows[0].window_id == window_id(WindowKey(FIRST, DIGEST, "champion"), HOUR)
    assert (event.partition, event.offset, event.part) == (3, 1, 0)
    assert event.time == moment(int(hours(0, 10)[0].max().astype(np.int64)))
    assert told(times) == [event]


def test_of_rows_in_time_and_of_repeats_nothing_is_said() -> None:
    assert told(START + np.array([9 * HOUR]).astype("timedelta64[us]")) == []
    assert told(START + np.array([0]).astype("timedelta64[us]"), repeat=True) == []


def test_times_that_no_clock_showed_count_as_the_earliest() -> None:
    [event] = told(np.array(["0001-01-01", "1899-01-01"], "datetime64[us]"))
    assert [(one.start.year, one.rows) for one in event.windows] == [(1900, 2)]


def test_a_message_with_rows_for_very_many_windows_is_told_in_parts() -> None:
    times = START - (np.arange(MOST_WINDOWS + 2) * HOUR).astype("timedelta64[us]")
    events = told(times)
    assert [(event.part, len(event.windows)) for event in events] == [(0, MOST_WINDOWS), (1, 2)]
    assert len({event.id for event in events}) == 2
