"""Rows of a topic partition read from the tables, piece by piece, so that they fit into memory."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from shared.feature_log.opened import OpenLog, OpenTable, Source
from shared.feature_log.proof.links import MOST_ROWS
from shared.feature_log.proof.messages import Held, held
from shared.feature_log.proof.producers import SENT
from shared.feature_log.reading import dataset

# What counting needs; hashing needs all columns.
COUNTED = ("source_partition", "source_offset", "source_row", "log_time", *SENT)
_FIRST_WINDOW = 1_000
END = 2**62


def read_held(log: OpenLog, source: Source, first: int, last: int, *, counted: bool = False) -> list[Held]:
    """What each table holds of these offsets of a topic partition, but for lost files; only what counting needs if
    `counted`.
    """
    tables = [each for each in log.tables if each.topic in (None, source[0])]
    offsets = range(first, last + 1)
    found = [held(each.name, _rows(log, each, source, offsets, counted=counted)) for each in tables]
    return [each for each in found if len(each.rows)]


def _rows(log: OpenLog, each: OpenTable, source: Source, offsets: range, *, counted: bool) -> pa.Table:
    names = ("source_partition", "source_offset") if each.topic else ("partition", "offset")
    number, offset = (ds.field(name) for name in names)
    chosen = (number == source[1]) & (offset >= offsets.start) & (offset < offsets.stop)
    if each.topic is None:
        chosen &= ds.field("topic") == source[0]
    rows = dataset(each.table, log.lost_files(each.name))
    columns = [name for name in COUNTED if name in rows.schema.names] if counted and each.topic else None
    return rows.to_table(columns=columns, filter=chosen)


def pieces(log: OpenLog, source: Source, first: int, stop: int, *, counted: bool = False) -> Iterator[Sequence[Held]]:
    """What the tables hold of the offsets from `first` up to `stop`, about MOST_ROWS rows at a time."""
    window, ends = _FIRST_WINDOW, log.next_offset(source)
    while first < stop:
        last = (min(first + window, stop) if first < ends else stop) - 1  # there should be nothing behind the end
        found = read_held(log, source, first, last, counted=counted)
        yield found
        rows = sum(len(each.rows) for each in found)
        window = max(1, min(window * 16, window * MOST_ROWS // max(rows, 1)))
        first = last + 1
