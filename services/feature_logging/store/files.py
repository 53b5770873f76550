"""Data files of a Delta table: Parquet, one per day, on disk before any log entry names them."""

import json
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.store.sync import make_folder, sync, sync_all
from shared import storage
from shared.feature_log.schema import PARTITION, indexed
from shared.storage import open_parquet

GROUP_ROWS = 16_384


def write_files(table: Path, rows: pa.Table, *, data_change: bool = True) -> list[AddAction]:
    """Write rows below the folder of a table, one file per day (or one, if the table has no days), all on disk.

    Raises:
        OSError: the disk is full or fails; what was begun is removed.
    """
    return _write_all(table, ((day, [part]) for day, part in _by_day(rows)), data_change=data_change)


def write_file(table: Path, day: date | None, parts: Iterable[pa.Table], *, data_change: bool) -> list[AddAction]:
    """Write parts of rows of one day (None: the table has no days), one after the other, into one file: no more than a
    group of rows is in memory at once, if the parts are small. Raises as `write_files`.
    """
    return _write_all(table, [(day, parts)], data_change=data_change)


def _write_all(
    table: Path, days: Iterable[tuple[date | None, Iterable[pa.Table]]], *, data_change: bool
) -> list[AddAction]:
    begun: list[Path] = []
    try:
        actions = [_write(table, day, parts, begun) for day, parts in days]
        sync_all(path.parent for path in begun)
    except OSError:
        for path in begun:
            path.unlink(missing_ok=True)
        raise
    for action in actions:
        action.data_change = data_change
    return actions


def _by_day(rows: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
    if PARTITION not in rows.column_names:
        yield None, rows
        return
    days, rest = rows.column(PARTITION).to_numpy(), rows.drop_columns([PARTITION])
    different = np.unique(days)
    for day in different:
        yield day.astype(date), rest if len(different) == 1 else rest.filter(pa.array(days == day))


def _write(table: Path, day: date | None, parts: Iterable[pa.Table], begun: list[Path]) -> AddAction:
    folder = table if day is None else table / f"{PARTITION}={day.isoformat()}"
    make_folder(folder)
    path = folder / f"part-{uuid.uuid4()}.parquet"
    begun.append(path)
    told = write_parquet(parts, path, indexed(table))
    sync(path)
    return AddAction(
        path=path.relative_to(table).as_posix(),
        size=path.stat().st_size,
        partition_values={} if day is None else {PARTITION: day.isoformat()},
        modification_time=time.time_ns() // 1_000_000,
        data_change=True,
        stats=json.dumps(told),
    )


def removal(file: Mapping[str, Any], *, data_change: bool) -> RemoveAction:
    """Takes out a live file, given as `live_files` has it."""
    day = file.get(f"partition.{PARTITION}")
    values = {} if day is None else {PARTITION: day.isoformat()}
    return RemoveAction(file["path"], data_change, time.time_ns() // 1_000_000, file["size_bytes"], values)


def write_parquet(parts: Iterable[pa.Table], path: Path, counted: Collection[str]) -> dict[str, object]:
    """In groups small enough that one row is read without many others; gives Delta's statistics of the file, for those
    of the columns `counted` that it has. There is at least one part.
    """
    count, ends, groups = 0, list[pa.Table](), _in_groups(parts)
    first = next(groups)
    with _writer(first.schema, path) as writer:
        for rows in chain([first], groups):
            writer.write_table(rows, row_group_size=GROUP_ROWS)
            count += len(rows)
            ends.append(_ends(rows, counted))
    return _statistics(count, _ends(pa.concat_tables(ends), counted))


def _in_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, a multiple of GROUP_ROWS at a time until the last."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        count = sum(map(len, waiting))
        if count > GROUP_ROWS:
            rows = pa.concat_tables(waiting)
            whole = (count - 1) // GROUP_ROWS * GROUP_ROWS
            yield rows.slice(0, whole)
            waiting = [rows.slice(whole)]
    yield pa.concat_tables(waiting)


def _writer(schema: pa.Schema, path: Path) -> pq.ParquetWriter:
    """Floats get no dictionary and no statistics: they hardly repeat, and so both cost time, and the first space."""
    others = [field.name for field in schema if not pa.types.is_floating(field.type)]
    texts = [name for name in others if pa.types.is_string(schema.field(name).type)]
    options: dict[str, Any] = {"use_dictionary": texts, "write_statistics": others}
    return storage.parquet_writer(path, schema, compression="zstd", **options)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file; text and bytes in their plain form: with that of delta-rs's files pyarrow can't do much."""
    return _as_plain(open_parquet(path).read(columns=None if columns is None else list(columns)))


def parts_of(path: Path) -> Iterator[pa.Table]:
    """As `read_parquet`, a group of rows after the other."""
    file = open_parquet(path)
    for number in range(file.num_row_groups):
        yield _as_plain(file.read_row_group(number))


def _as_plain(rows: pa.Table) -> pa.Table:
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    fields = [field.with_type(plain.get(field.type, field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _ends(rows: pa.Table, counted: Collection[str]) -> pa.Table:
    """The least and the greatest value of each column that is counted."""
    names = [name for name in counted if name in rows.column_names]
    ends = [pc.call_function("min_max", [rows.column(name)]) for name in names]
    columns = [pa.array([each["min"], each["max"]], each["min"].type) for each in ends]
    return pa.table(columns, names)


def _statistics(count: int, ends: pa.Table) -> dict[str, object]:
    """Delta's of a file: rows, and least, greatest and nulls of the columns that `_ends` has."""
    least, greatest = ({name: _plain(ends.column(name)[row]) for name in ends.column_names} for row in (0, 1))
    return {"numRecords": count, "minValues": least, "maxValues": greatest, "nullCount": dict.fromkeys(least, 0)}


def _plain(value: pa.Scalar) -> object:
    if pa.types.is_timestamp(value.type):
        return f"{np.datetime_as_string(np.datetime64(value.value, 'us'))}Z"
    return value.as_py()
