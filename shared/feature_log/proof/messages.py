"""What a table holds of each message: how many rows of it, and in which hour."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.feature_log.proof.content import digest
from shared.feature_log.schema import REJECTED_NAME, TIME

# `hour` is that of the message's LogAppendTime; `distinct` counts different rows, `highest` is the last one's number.
MESSAGES = pa.schema(
    [
        ("table", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("hour", TIME),
        ("rows", pa.int64()),
        ("distinct", pa.int64()),
        ("highest", pa.int64()),
    ]
)
_SOURCE = ("source_partition", "source_offset", "source_row")
_REJECTED = ("partition", "offset")
_HOUR_US = 3_600_000_000
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Held:
    """Rows of one table, a model's or `_rejected` of one topic, in the order of their places in Kafka. `messages` are
    MESSAGES of them, `at` is the row that each begins with, and, at the end, the number of rows.
    """

    rows: pa.Table
    messages: pa.Table
    at: Numbers

    @property
    def partitions(self) -> list[int]:
        """Those it has rows of."""
        found: list[int] = self.messages.column("partition").unique().to_pylist()
        return found

    def of(self, partition: int) -> "Held":
        """Those of one partition."""
        return self._between(*_bounds(self.messages.column("partition"), partition, partition + 1))

    def span(self, first: int, last: int) -> "Held":
        """Of rows of one partition those from one offset to another, both included."""
        return self._between(*_bounds(self.messages.column("offset"), first, last + 1))

    def logged(self) -> pa.Array:
        """How many rows each message has in the table; of a rejected one, had, if it could be told."""
        if len(self.messages) and self.messages.column("table")[0].as_py() == REJECTED_NAME:
            return self.rows.column("rows").take(pa.array(self.at[:-1]))
        return pa.array(np.diff(self.at))

    def digest(self) -> bytes:
        """Of the rows' values."""
        return digest(self.rows)

    def _between(self, start: int, stop: int) -> "Held":
        first, last = self.at[start], self.at[stop]
        at = self.at[start : stop + 1] - first
        return Held(self.rows.slice(first, last - first), self.messages.slice(start, stop - start), at)


def _bounds(column: pa.ChunkedArray, start: int, stop: int) -> tuple[int, int]:
    found = np.searchsorted(column.to_numpy(), [start, stop])
    return int(found[0]), int(found[1])


def held(table: str, rows: pa.Table) -> Held:
    """Rows of a table, in any order. Without `log_time` there is no hour."""
    if not len(rows):
        return Held(rows, MESSAGES.empty_table(), np.zeros(1, np.int64))
    partition, offset, row = _places(rows)
    new = (np.diff(partition) != 0) | (np.diff(offset) != 0)
    if (
        (np.diff(partition) < 0).any()
        or ((np.diff(offset) < 0) & (np.diff(partition) == 0)).any()
        or _unordered(row, new)
    ):
        order = np.lexsort((row, offset, partition))
        rows, partition, offset, row = _ordered(rows, order), partition[order], offset[order], row[order]
        new = (np.diff(partition) != 0) | (np.diff(offset) != 0)
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(new) + 1])
    at = np.append(starts, len(rows))
    return Held(rows, _messages(table, rows, (partition, offset, row), at), at)


def _unordered(row: Numbers, new: NDArray[np.bool_]) -> bool:
    return bool(((np.diff(row) < 0) & ~new).any())


def _places(rows: pa.Table) -> tuple[Numbers, Numbers, Numbers]:
    names = _SOURCE if _SOURCE[0] in rows.column_names else _REJECTED
    numbers = [rows.column(name).fill_null(-1).to_numpy().astype(np.int64) for name in names]
    return numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else np.zeros(len(rows), np.int64)


def _ordered(rows: pa.Table, order: Numbers) -> pa.Table:
    """Rows mostly lie in long pieces that follow on each other: then nothing is copied."""
    cuts = [0, *(np.flatnonzero(np.diff(order) != 1) + 1).tolist(), len(order)]
    if len(cuts) > len(order) // 16:
        return rows.take(pa.array(order))
    return pa.concat_tables([rows.slice(int(order[a]), b - a) for a, b in pairwise(cuts)])


def _messages(table: str, rows: pa.Table, places: tuple[Numbers, Numbers, Numbers], at: Numbers) -> pa.Table:
    partition, offset, row = places
    starts = at[:-1]
    new = np.concatenate([[True], np.diff(row) != 0])
    new[starts] = True
    times = rows.column("log_time").take(pa.array(starts)).cast(TIME).cast(pa.int64()).fill_null(0).to_numpy()
    columns = [
        pa.repeat(table, len(starts)),
        pa.array(partition[starts], pa.int32()),
        pa.array(offset[starts]),
        pa.array(times // _HOUR_US * _HOUR_US).cast(TIME),
        pa.array(np.diff(at)),
        pa.array(np.add.reduceat(new.astype(np.int64), starts)),
        pa.array(row[at[1:] - 1]),
    ]
    return pa.table(columns, schema=MESSAGES)
