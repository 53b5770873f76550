from collections.abc import Sequence

import numpy as np
import pytest

from services.drift_detection.domain.quality.record import QualityRecord
from services.drift_detection.domain.reports.book import QualityBook
from services.drift_detection.domain.reports.silence import quiet_until
from shared.events import DataQualityReported
from shared.features import Rows
from shared.reference.panes import moment, time_of
from tests.unit.drift_detection.quality.simple import (
    DIGEST,
    HOUR,
    ROWS,
    SECOND,
    START,
    facts,
    found,
    rows,
    watched,
    window,
)

WATCHED = watched()


def book(record: QualityRecord | None = None) -> QualityBook:
    return QualityBook(DIGEST, WATCHED, QualityRecord() if record is None else record)


def publish(into: QualityBook, hour: int, there: Rows | None = None, seconds: float = 2.0) -> list[DataQualityReported]:
    """With what must be looked at again, as the engine does."""
    there = rows(ROWS, hour) if there is None else there
    return into.publish(window(there, hour), facts(there, seconds)).events


def gap(event: DataQualityReported) -> tuple[int, int]:
    """Hours after the start."""
    return (time_of(event.start) - START) // HOUR, (time_of(event.end) - START) // HOUR


def last_words(events: Sequence[DataQualityReported]) -> dict[str, str]:
    """What was said last of each window and silence that still holds, without its revision."""
    last = {event.window_id: event for event in events}
    return {
        name: event.model_dump_json(exclude={"id", "revision"})
        for name, event in last.items()
        if event.rows or event.findings
    }


def test_a_window_is_reported_once_and_again_when_it_says_something_else() -> None:
    into, there = book(), rows(ROWS, 1)
    [first] = publish(into, 0, there[slice(0, 150)])
    assert publish(into, 0, there[slice(0, 150)]) == []
    [second] = publish(into, 0, there)
    assert (first.revision, second.revision) == (0, 1)
    assert (first.rows, second.rows) == (150, ROWS)
    assert first.window_id == second.window_id
    assert first.id != second.id


def test_a_later_window_is_looked_at_again_when_the_one_before_it_changes() -> None:
    into, there = book(), rows(ROWS, 1)
    publish(into, 0, there[slice(0, 150)])
    publish(into, 1, there)
    said = into.publish(window(there, 0), facts(there))
    assert said.again == START + HOUR
    [again] = publish(into, 1, there)
    assert (again.revision, found(again)) == (1, [(None, "repeated")])
    assert into.publish(window(there, 0), facts(there)).again is None


def test_a_silence_between_two_windows_is_told_with_what_was_expected() -> None:
    into = book()
    publish(into, 0)
    told = publish(into, 4)
    assert [found(event) for event in told] == [[], [(None, "silent")]]
    assert gap(told[1]) == (1, 4)
    assert told[1].rows == 0
    assert told[1].expected_rows == pytest.approx(3 * ROWS, rel=0.1)
    assert publish(into, 5)[1:] == []


def test_a_silence_that_goes_on_is_told_whenever_it_is_twice_as_long() -> None:
    into = book()
    publish(into, 0)
    told = [event for hour in range(1, 40) for event in into.silent(START + hour * HOUR)]
    assert [gap(event) for event in told] == [(1, 2), (1, 3), (1, 5), (1, 9), (1, 17), (1, 33)]
    assert [event.revision for event in told] == list(range(6))
    assert len({event.window_id for event in told}) == 1
    [_, last] = publish(into, 40)
    assert (gap(last), last.revision) == ((1, 40), 6)


def test_a_silence_of_years_is_told_a_few_times_only() -> None:
    into = book()
    publish(into, 0)
    told = [event for day in range(1, 800) for event in into.silent(START + day * 24 * HOUR)]
    assert len(told) <= 9
    assert gap(told[-1])[1] <= 24 * 7 + 1


def test_rows_that_come_late_take_a_silence_back_or_divide_it() -> None:
    into = book()
    publish(into, 0)
    publish(into, 4)
    [_, shorter, rest] = publish(into, 2)
    assert (gap(shorter), gap(rest)) == ((1, 2), (3, 4))
    assert (shorter.revision, rest.revision) == (1, 0)
    [_, gone] = publish(into, 1)
    assert (gone.window_id, gone.revision, gone.findings) == (shorter.window_id, 2, ())


def test_windows_without_rows_for_which_others_were_refused_are_no_end_of_a_silence() -> None:
    into, misfits = book(), facts(rows(0, 1))
    misfits.add_misfit("width", 40)
    publish(into, 0)
    [refused] = into.publish(window(rows(0, 1), 1), misfits).events
    assert found(refused) == [(None, "misfit")]
    assert [gap(event) for event in publish(into, 3)[1:]] == [(1, 3)]


def test_a_champion_that_was_replaced_is_not_silent() -> None:
    record = QualityRecord()
    into = book(record)
    publish(into, 0)
    record.interrupt()
    assert into.silent(START + 10 * HOUR) == []
    assert len(publish(into, 20)) == 1
    assert len(publish(into, 24)) == 2


def test_finished_windows_leave_what_the_next_is_judged_by() -> None:
    record, there = QualityRecord(), rows(ROWS, 1)
    publish(book(record), 0, there)
    book(record).finish(START + HOUR)
    restored = QualityRecord.model_validate_json(record.model_dump_json())
    assert restored.panes == []
    assert found(publish(book(restored), 1, there)[0]) == [(None, "repeated")]
    assert [gap(event) for event in publish(book(restored), 3)[1:]] == [(2, 3)]


def test_windows_in_any_order_end_with_the_same_last_words() -> None:
    hours = [0, 1, 2, 5, 6, 7, 11, 12]
    contents = {hour: rows(ROWS, 3 if hour in (6, 7) else hour) for hour in hours}

    def told(order: Sequence[int]) -> dict[str, str]:
        record, events, waiting = QualityRecord(), [], list(order)
        while waiting:
            hour = waiting.pop(0)
            said = book(record).publish(window(contents[hour], hour), facts(contents[hour]))
            events += said.events
            waiting += [] if said.again is None else [(said.again - START) // HOUR]
            record = QualityRecord.model_validate_json(record.model_dump_json())
        return last_words(events)

    straight = told(hours)
    assert len(straight) == len(hours) + 2
    for seed in range(6):
        assert told(np.random.default_rng(seed).permutation(hours).tolist()) == straight


def test_the_log_of_other_models_tells_how_long_one_is_silent_unless_it_is_a_replay() -> None:
    now, live = book(), book()
    publish(live, 0, seconds=2)
    publish(now, 0, seconds=13 * 365 * 86_400.0)
    last, hours = START + HOUR - 1, 6 * HOUR
    until = quiet_until(last, 5 * SECOND, 5 * SECOND + hours, live.patience)
    assert moment(START + 5 * HOUR) < moment(until) < moment(START + 6 * HOUR)  # an hour of lateness is waited for
    assert [gap(event)[0] for event in live.silent(until)] == [1]
    assert now.silent(quiet_until(last, 5 * SECOND, 5 * SECOND + hours, now.patience)) == []
