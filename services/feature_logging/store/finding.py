"""Rows of a table by their ids, without reading more of it than may hold them."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from numpy.typing import NDArray
from prometheus_client import Counter
from structlog import get_logger

from services.feature_logging.domain.evolution import conform
from services.feature_logging.domain.told import Int64, Span
from shared.feature_log.reading import live_files, read_table
from shared.feature_log.schema import PARTITION, TIME
from shared.storage import open_parquet

log = get_logger()
UNREADABLE = Counter("driftline_feature_log_unreadable_files_total", "Files that labels were looked for in, in vain")
_FLAGS = 2**20

Wanted = Mapping[bytes, Sequence[Span]]


class Source(NamedTuple):
    """A table at one version, its folder, and which columns are read of it; it has `request_id` and `event_time`."""

    path: Path
    delta: DeltaTable
    schema: pa.Schema


def find(source: Source, wanted: Wanted) -> pa.Table:
    """All rows whose event time lies in a span wanted of their request id, in the columns of the source's schema.

    Only files and row groups are looked at whose event times overlap a span, whichever id's; of these the ids are read
    first, and the other columns only where one was found.
    """
    ids, spans = _Ids(list(wanted)), _Spans(span for each in wanted.values() for span in each)
    while True:
        try:
            found = [part for path in _files(source, spans) for part in _of_file(source, path, ids, spans)]
        except Moved:
            source = source._replace(delta=read_table(source.path))
        else:
            return _within(pa.concat_tables(found), wanted) if found else source.schema.empty_table()


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows by column name, their times in microseconds since 1970."""
    for position, field in enumerate(table.schema):
        if field.type == TIME:
            table = table.set_column(position, field.name, table.column(field.name).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _within(rows: pa.Table, wanted: Wanted) -> pa.Table:
    """Those in their own spans: which others lie in the same groups is chance."""
    ids, times = rows.column("request_id").to_pylist(), rows.column("event_time").cast(pa.int64()).to_pylist()
    own = {request_id: _Spans(iter(wanted[request_id])) for request_id in set(ids)}
    kept = [own[request_id].hold(time) for request_id, time in zip(ids, times, strict=True)]
    return rows.filter(pa.array(kept, pa.bool_()))


class Moved(Exception):  # no error: look again
    """A file is gone since its rows are in another by now: the table must be read anew."""


@contextmanager
def passing_over(table: Path, file: str) -> Iterator[None]:
    """The body reads a live file of a table. One that is lost or damaged is told and holds nothing that can be found:
    who looks for a row does not mend it.

    Raises:
        Moved: the file is no part of the table any more.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if f"{table}/{file}" not in read_table(table).file_uris():
            raise Moved from error
        log.warning("a file of the feature log can't be read", table=str(table), file=file, why=str(error))
        UNREADABLE.inc()


class _Ids:
    """Wanted ids. Most others are told apart by their last bytes, which are random in every kind of id."""

    def __init__(self, ids: Sequence[bytes]) -> None:
        self._ids = pa.array(ids, pa.binary(16))
        self._flags = np.zeros(_FLAGS, np.bool_)
        self._flags[_tails(self._ids)] = True

    def places(self, column: pa.Array) -> Int64:
        """Where a column holds one of them."""
        likely: Int64 = np.flatnonzero(self._flags[_tails(column)])
        if not len(likely):
            return likely
        exact = pc.call_function("is_in", [column.take(pa.array(likely))], pc.SetLookupOptions(self._ids))
        found: Int64 = likely[exact.to_numpy(zero_copy_only=False)]
        return found


def _tails(ids: pa.Array) -> NDArray[np.uint32]:
    words = np.frombuffer(ids.buffers()[1], "<u4")[ids.offset * 4 : (ids.offset + len(ids)) * 4]
    return words[3::4] % _FLAGS


class _Spans:
    """Spans of event time, united."""

    def __init__(self, spans: Iterator[Span]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for span in sorted(spans):
            if self._ends and span.first <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], span.last)
            else:
                self._starts.append(span.first)
                self._ends.append(span.last)

    def hold(self, time: int) -> bool:
        """Does a time lie in one?"""
        after = bisect_right(self._starts, time)
        return after > 0 and time <= self._ends[after - 1]

    def overlap(self, first: Int64, last: Int64) -> NDArray[np.bool_]:
        """Which of the ranges, both ends included, overlap a span."""
        before = np.searchsorted(self._starts, last, side="right")
        ends = np.array([np.iinfo(np.int64).min, *self._ends])
        return np.asarray(ends[before] >= first)


def _files(source: Source, spans: _Spans) -> list[str]:
    actions = live_files(source.delta)
    if not len(actions):
        return []
    first, last = (actions.column(f"{end}.event_time").cast(pa.int64()).to_numpy() for end in ("min", "max"))
    chosen = np.flatnonzero(spans.overlap(first, last))
    paths: list[str] = actions.column("path").take(pa.array(chosen)).to_pylist()
    return paths


def _of_file(source: Source, path: str, ids: _Ids, spans: _Spans) -> list[pa.Table]:
    found: list[pa.Table] = []
    with passing_over(source.path, path):
        file = open_parquet(source.path / path)
        columns = [name for name in source.schema.names if name in file.schema_arrow.names]
        for group in _groups(file.metadata, spans):
            places = ids.places(_ids_of(file, group))
            if len(places):
                rows = file.read_row_group(group, columns=columns).take(pa.array(places))
                found.append(conform(_with_day(rows), source.schema))
    return found


def _ids_of(file: pq.ParquetFile, group: int) -> pa.Array:
    column = file.read_row_group(group, columns=["request_id"]).column(0)
    return column.combine_chunks().cast(pa.binary(16))


def _with_day(rows: pa.Table) -> pa.Table:
    return rows.append_column(PARTITION, rows.column("event_time").cast(pa.date32()))


def _groups(metadata: pq.FileMetaData, spans: _Spans) -> list[int]:
    names = metadata.schema.names
    column = names.index("event_time")
    ends = [metadata.row_group(group).column(column).statistics for group in range(metadata.num_row_groups)]
    first, last = (np.array([_microseconds(getattr(end, name)) for end in ends]) for name in ("min", "max"))
    return [int(group) for group in np.flatnonzero(spans.overlap(first, last))]


def _microseconds(time: Any) -> int:
    return int(pa.scalar(time, TIME).value)
