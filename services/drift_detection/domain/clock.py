"""Event time: which rows count, and how far a model's time has come. All times are microseconds since 1970 UTC."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.reference.panes import MICROSECONDS, Int64

FUTURE = 5 * 60 * MICROSECONDS
# Years before 1900 are no event times, and some can't be written as a date.
EARLIEST = -2_208_988_800 * MICROSECONDS
LATEST = 253_402_300_799 * MICROSECONDS  # the end of the year 9999
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sorted:
    """Rows of one message, bool [n] each; `highest` event time up to and with this message, None if there is none.

    `future`: more than 5 minutes ahead of the message's LogAppendTime. `in_time`: neither that nor more than the
    lateness behind the highest event time at lower offsets of the partition. `counted`: in time and no repeat.
    """

    counted: Mask
    in_time: Mask
    future: Mask
    highest: int | None


def sort_rows(times: Int64, repeat: Mask, highest: int | None, lateness: int, appended: int) -> Sorted:
    """Sort rows by their event times int64 [n]; `repeat` says which were logged before.

    `highest` is that of the model in this partition at lower offsets, `appended` the message's LogAppendTime. All this
    can be recomputed from (partition, offset). Rows in the future move no clock.
    """
    future = times > appended + FUTURE
    in_time = (times >= earliest(highest, lateness)) & ~future
    moves = times if how_many(in_time) == len(times) else times[~future & (times >= EARLIEST)]
    known = [] if highest is None else [highest]
    if len(moves):
        known.append(int(moves.max()))
    return Sorted(in_time & ~repeat, in_time, future, max(known, default=None))


def earliest(highest: int | None, lateness: int) -> int:
    """The earliest time that is not too late, after so high an event time."""
    return EARLIEST if highest is None else max(EARLIEST, highest - lateness)


def how_many(rows: Mask) -> int:
    """How many are true; a tenth of what `sum` takes."""
    return int(np.count_nonzero(rows))


def watermark(highest: Mapping[int, int | None], at_end: Collection[int]) -> int | None:
    """A model's watermark from its highest event time in each partition.

    The least of the partitions not yet read to their end, so one with unread rows and no time yet holds it back
    (None); once all are read to their end, the greatest of all, so an idle partition holds nothing back.
    """
    unread = [time for partition, time in highest.items() if partition not in at_end]
    if None in unread:
        return None
    if unread:
        return min(time for time in unread if time is not None)
    return max((time for time in highest.values() if time is not None), default=None)
