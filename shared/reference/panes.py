"""Panes: the smallest windows of event time. All times are microseconds since 1970 UTC, as int64."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

MICROSECONDS = 1_000_000
DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Int64 = NDArray[np.int64]


def microseconds(times: NDArray[np.datetime64]) -> Int64:
    """Event times datetime64 [n], UTC, as int64 [n]; those that are microseconds already are not copied."""
    return times.astype("datetime64[us]", copy=False).view(np.int64)


def moment(time: int) -> datetime:
    """A time as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=time)


def time_of(when: datetime) -> int:
    """The reverse of `moment`, exact."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def pane_starts(times: Int64, seconds: int) -> Int64:
    """The start of the pane that holds each time, int64 [n]: panes lie on multiples of their size since 1970 UTC."""
    size = seconds * MICROSECONDS
    return times // size * size


@lru_cache(maxsize=1 << 17)  # a month of minutes, looked up for every feature
def local(time: int, zone: str) -> datetime:
    """The wall clock of the business at a time."""
    return moment(time).astimezone(ZoneInfo(zone))


def pane_of_day(start: int, zone: str, seconds: int) -> int:
    """Which pane of the local day begins at `start`: 0 up to 86400 / `seconds` - 1."""
    clock = local(start, zone)
    return (clock.hour * 3600 + clock.minute * 60 + clock.second) // seconds


@lru_cache(maxsize=1 << 10)
def day_bounds(day: int, zone: str, seconds: int) -> tuple[int, int]:
    """Where the panes of a local day begin and end: those that start within it. `day` as `local_day` gives it."""
    first, after = (_midnight(number, zone) for number in (day, day + 1))
    size = seconds * MICROSECONDS
    return -(-first // size) * size, -(-after // size) * size


def _midnight(day: int, zone: str) -> int:
    return time_of(datetime.fromordinal(day).replace(tzinfo=ZoneInfo(zone)))


def local_day(start: int, zone: str) -> int:
    """The local calendar day of a pane, as the proleptic ordinal of its date."""
    return local(start, zone).toordinal()
