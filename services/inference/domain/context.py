"""What a request says beside its features: when each row happened, and whom it is about."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from services.inference.domain.tensor import Tensor, check_strings
from shared.errors import InvalidInput
from shared.events.labels import MOST_DAYS

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICROSECOND + 1

LONGEST_ENTITY = 256


def microseconds(text: str | None, where: str) -> int:
    """Microseconds since 1970, for a UUIDv7 can't say an earlier time, to the end of the year 9999 in UTC.

    Raises:
        InvalidInput: not RFC 3339 or outside these years; `where` is its path.
    """
    if text is not None and _RFC3339.fullmatch(text):
        try:
            found = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
        except (ValueError, OverflowError):  # the 30th of February
            found = -1
        if 0 <= found < _END:
            return found
    raise InvalidInput(where, "a time from 1970 on as RFC 3339 writes it, such as 2013-03-15T16:00:00Z")


def event_times(given: Tensor | str | None, rows: int, now_us: int) -> NDArray[np.datetime64]:
    """datetime64[us] [rows] in UTC: from a BYTES tensor of `rows` values, one text for all, or `now_us`.

    Raises:
        InvalidInput: not RFC 3339, before 1970, missing for a row, another number of rows, or of more than 31 days.
    """
    if given is None:
        return np.full(rows, now_us, dtype="datetime64[us]")
    if isinstance(given, str):
        return np.full(rows, microseconds(given, "parameters.event_time"), dtype="datetime64[us]")
    texts = _column(given, rows)
    found = [microseconds(text, given.at(position)) for position, text in enumerate(texts)]
    times = np.array(found, dtype="datetime64[us]")
    first = np.unique(times.astype("datetime64[D]"), return_index=True)[1]
    if len(first) > MOST_DAYS:
        where = given.at(int(np.sort(first)[MOST_DAYS]))
        raise InvalidInput(where, f"rows of at most {MOST_DAYS} different days (UTC) in one request; send several")
    return times


def entities(given: Tensor | str | None, rows: int) -> list[str | None]:
    """One entity per row, None where there is none; raises InvalidInput as `event_times` does."""
    if given is None or isinstance(given, str):
        return [given] * rows
    texts = _column(given, rows)
    for position, text in enumerate(texts):
        if text is not None and len(text) > LONGEST_ENTITY:
            raise InvalidInput(given.at(position), f"at most {LONGEST_ENTITY} characters")
    return texts


def _column(tensor: Tensor, rows: int) -> list[str | None]:
    if tensor.shape not in ((rows,), (rows, 1)):
        raise InvalidInput(f"{tensor.where}.shape", f"[{rows}] or [{rows}, 1], one for each row")
    return check_strings(tensor)
