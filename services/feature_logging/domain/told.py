"""When a prediction was made, as its id or its label tells, so that it is looked for where it may lie alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.feature_logging.domain.pairs import Label

DAY = 86_400_000_000
# Clocks differ, and a client makes an id some time before its request comes.
NEAR, SLACK = 5_000_000, 600_000_000

Int64 = NDArray[np.int64]


class Span(NamedTuple):
    """Event times from `first` to `last`, both included, in microseconds since 1970."""

    first: int
    last: int


def near(time: int) -> Span:
    """Where a prediction lies that was made at a time, or nearly so."""
    return Span(time - NEAR, time + NEAR)


def days(time: int) -> Span:
    """The day of a time; near midnight both."""
    return Span((time - SLACK) // DAY * DAY, (time + SLACK) // DAY * DAY + DAY - 1)


def _id_times(ids: Sequence[bytes]) -> Int64:
    """Times of ids, int64 [n]; -1 where an id is no UUID of version 7."""
    octets = np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 16)
    milliseconds = np.zeros(len(octets), np.int64)
    for place in range(6):
        milliseconds = milliseconds << 8 | octets[:, place]
    is_seven = (octets[:, 6] >> 4 == 7) & (octets[:, 8] >> 6 == 2)
    return np.where(is_seven, milliseconds * 1000, -1)


def untold(ids: Sequence[bytes], event_times: Int64) -> NDArray[np.bool_]:
    """Which predictions, bool [n], do not lie on the day that their id tells; `event_times` int64 [n]."""
    told = _id_times(ids)
    first, last = (told - SLACK) // DAY, (told + SLACK) // DAY
    day = event_times // DAY
    return np.asarray((told < 0) | (day < first) | (day > last))


def tell_time(labels: Sequence[Label]) -> NDArray[np.bool_]:
    """Which labels, bool [n], tell when their prediction was made, by their id or by themselves."""
    by_id = _id_times([label.request_id for label in labels]) >= 0
    return np.asarray(by_id | np.array([label.told is not None for label in labels], np.bool_))


def times_told(labels: Sequence[Label]) -> dict[bytes, set[int]]:
    """By request id when its prediction may have been made, as the id and its labels tell."""
    found: dict[bytes, set[int]] = {}
    for label, own in zip(labels, _id_times([label.request_id for label in labels]).tolist(), strict=True):
        times = found.setdefault(label.request_id, set())
        times |= {time for time in (own if own >= 0 else None, label.told) if time is not None}
    return found
