"""Rows as they were answered, whether or not labels came for them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shared.errors import Unreadable
from shared.feature_log.forgotten import FORGOTTEN
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import TIME, table_path

PLACE = ("source_partition", "source_offset", "source_row")
_DOUBLINGS = 8
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Around(NamedTuple):
    """Rows of a bundle in order of event time, by column name: those from a time on, and as many before it."""

    before: pa.Table
    after: pa.Table


class Wanted(NamedTuple):
    """Rows with start <= event time < end, the first `most`. Where these are less than `least`, rows after `end` are
    taken as well, up to `until`.
    """

    start: datetime
    end: datetime
    until: datetime | None
    least: int
    most: int


def rows_around(tables: Path, model: str, digest: str, wanted: Wanted) -> Around:
    """The champion's rows that are wanted, and as many before their start; no repeats.

    Beyond the span itself at most 256 times its length is looked at, within the years 1 to 9999.

    Raises:
        Unreadable: there is no such table, or it can't be read.
    """
    try:
        table = _opened(tables, model)
        after = _after(table, digest, wanted)
        return Around(_before(table, digest, wanted, after), after)
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise Unreadable(f"feature log: {error}") from error


def _lengths(wanted: Wanted) -> Iterator[timedelta]:
    length = max(wanted.end - wanted.start, timedelta(minutes=1))
    return (length * 2**doubling for doubling in range(_DOUBLINGS + 1))


def _moved(time: datetime, length: timedelta) -> datetime:
    try:
        return time + length
    except OverflowError:
        return _LAST if length > timedelta(0) else _FIRST


def _after(table: DeltaTable, digest: str, wanted: Wanted) -> pa.Table:
    end = wanted.end
    found = _rows(table, digest, wanted.start, end).slice(0, wanted.most)
    for length in _lengths(wanted):
        if len(found) >= wanted.least:
            break
        further = _moved(wanted.start, length)
        further = further if wanted.until is None else min(further, wanted.until)
        if further > end:
            end = further
            found = _rows(table, digest, wanted.start, end).slice(0, wanted.least)
    return found


def _before(table: DeltaTable, digest: str, wanted: Wanted, after: pa.Table) -> pa.Table:
    found, count = after.slice(0, 0), len(after)
    for length in _lengths(wanted):
        found = _rows(table, digest, _moved(wanted.start, -length), wanted.start)
        if len(found) >= count:
            break
    return found.slice(max(0, len(found) - count))


def _opened(tables: Path, model: str) -> DeltaTable:
    table = open_table(table_path(tables, model, "predictions"))
    if table is None:
        raise Unreadable(f"feature log: there are no rows of {model}")
    return table


def _rows(table: DeltaTable, digest: str, start: datetime, end: datetime) -> pa.Table:
    day, time = ds.field("event_day"), ds.field("event_time")
    days = (day >= pa.scalar(start.date())) & (day <= pa.scalar(end.date()))
    times = (time >= pa.scalar(start, TIME)) & (time < pa.scalar(end, TIME))
    whose = (ds.field("role") == "champion") & ~ds.field("repeat") & (ds.field("bundle_digest") == digest)
    found = dataset(table).to_table(filter=days & times & whose)
    return found.sort_by([(name, "ascending") for name in ("event_time", *PLACE)]).combine_chunks()


def all_rows(tables: Path, model: str) -> pa.Table:
    """All rows of a model, whatever their role, in the order of their places in Kafka; but those that were forgotten.

    Raises:
        Unreadable: there is no such table, or it can't be read.
    """
    try:
        found = dataset(_opened(tables, model)).to_table(filter=ds.field("role") != FORGOTTEN)
        return found.sort_by([(name, "ascending") for name in PLACE])
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise Unreadable(f"feature log: {error}") from error


def forgotten_rows(tables: Path, model: str) -> int:
    """How many rows of a model were forgotten.

    Raises:
        Unreadable: there is no such table, or it can't be read.
    """
    try:
        return int(dataset(_opened(tables, model)).count_rows(filter=ds.field("role") == FORGOTTEN))
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise Unreadable(f"feature log: {error}") from error


def columns_of(table: pa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Columns as `shared.features.stack_rows` takes them.

    Raises:
        Unreadable: the log has no such feature.
    """
    unknown = [name for name in names if name not in table.column_names]
    if unknown:
        raise Unreadable(f"feature log: there is no feature {unknown[0]}")
    found: dict[str, Any] = {}
    for name in names:
        column = table.column(name)
        found[name] = column.to_pylist() if column.type == pa.string() else column.to_numpy()
    return found
