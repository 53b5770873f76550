"""The detector on real flights: nothing in March as it is, each fault named in time, the file's own faults found."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.drift_statistics.faults import CASES, FaultCase
from benchmarks.drift_statistics.flights import HOUR, LIVE, Flights, Found, run, with_fault
from benchmarks.rows import Row
from services.drift_detection.domain.detector.bank import Memory
from shared.reference.panes import moment, time_of

BEGINNINGS = tuple(datetime(2013, 3, day, hour, tzinfo=UTC) for day, hour in ((6, 15), (12, 5), (15, 17), (20, 13)))
_LASTING = timedelta(days=6)
_BEFORE = timedelta(hours=12)  # of the feed, for faults that need the past
# The file's own: on the evening of 8 May JFK reads 13 °F between two readings of 57; the weather of 30 December ends.
COLD = datetime(2013, 5, 9, 2, tzinfo=UTC)
ENDS = datetime(2013, 12, 31, 0, tzinfo=UTC)


def rows(flights: Flights) -> Iterator[Row]:
    """All cases."""
    _, quiet = run(flights, flights.feed.between(LIVE, datetime(2013, 4, 1, 4, tzinfo=UTC)))
    yield Row("flights, March as it is: alarms", len(quiet), "0", not quiet)
    memories = [run(flights, flights.feed.between(LIVE, start))[0] for start in BEGINNINGS]
    ranked: list[bool] = []
    for case in CASES:
        alarms = [_alarms(flights, case, *pair) for pair in zip(BEGINNINGS, memories, strict=True)]
        yield _row(case, alarms)
        ranked += [_named_first(case, found) for found in alarms if found]
    share = sum(ranked) / len(ranked)
    yield Row(
        "flights, true cause among the first three named, of faults found", round(share, 3), ">= 0.95", share >= 0.95
    )
    yield from _own_faults(flights)


def _alarms(flights: Flights, case: FaultCase, start: datetime, memory: Memory) -> list[Found]:
    whole = with_fault(flights, flights.feed.between(start - _BEFORE, start + _LASTING), start, case.fault)
    return run(flights, whole.between(start, start + _LASTING), memory)[1]


def _hours(case: FaultCase, start: datetime, alarms: Sequence[Found]) -> float:
    ends = [alarm.start + HOUR for alarm in alarms if not set(case.causes).isdisjoint(alarm.names)]
    return (min(ends) - time_of(start)) / HOUR if ends else np.inf


def _named_first(case: FaultCase, alarms: Sequence[Found]) -> bool:
    """Whether a true cause is among the first three features that the first alarm names."""
    return bool(alarms) and not set(case.causes).isdisjoint(alarms[0].names[:3])


def _row(case: FaultCase, alarms: Sequence[Sequence[Found]]) -> Row:
    hours = [_hours(case, start, found) for start, found in zip(BEGINNINGS, alarms, strict=True)]
    least, most = min(hours), max(hours)
    told = "not found" if np.isinf(least) else f"{least:.0f} to {most:.0f} h"
    goal = "may not be found" if np.isinf(case.within[1]) else f"{case.within[0]} to {case.within[1]} h at most"
    return Row(f"flights, {case.name}: named after", told, goal, most <= case.within[1])


def _own_faults(flights: Flights) -> Iterator[Row]:
    _, alarms = run(flights, flights.feed.between(LIVE, datetime(2014, 1, 1, 5, tzinfo=UTC)))
    cold = [alarm for alarm in alarms if alarm.start == time_of(COLD) and "temp" in alarm.names]
    yield Row("flights, JFK reads 13 °F on 8 May: found in its pane", str(bool(cold)), "True", bool(cold))
    ended = [alarm for alarm in alarms if alarm.start >= time_of(ENDS) and "temp" in alarm.names]
    when = f"{moment(ended[0].start):%d %B %H:%M}" if ended else "not found"
    yield Row("flights, the last day has no weather: found", when, "on it", bool(ended))
    yield Row(
        "flights, alarms from March to December, the file's and the schedule's own changes", len(alarms), "-", True
    )
