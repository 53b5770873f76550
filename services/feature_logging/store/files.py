"""Data files of a Delta table: Parquet, one per day, on disk before any log entry names them."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.store.sync import make_folder, sync, sync_all
from shared import storage
from shared.feature_log.schema import INDEXED, PARTITION
from shared.storage import open_parquet

GROUP_ROWS = 16_384


def write_files(table: Path, rows: pa.Table, *, data_change: bool = True) -> list[AddAction]:
    """Write rows below the folder of a table, one file per day (or one, if the table has no days), all on disk.

    Raises:
        OSError: the disk is full or fails; what was begun is removed.
    """
    begun: list[Path] = []
    try:
        actions = [_write(table, day, part, begun) for day, part in _by_day(rows)]
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


def _write(table: Path, day: date | None, rows: pa.Table, begun: list[Path]) -> AddAction:
    folder = table if day is None else table / f"{PARTITION}={day.isoformat()}"
    make_folder(folder)
    path = folder / f"part-{uuid.uuid4()}.parquet"
    begun.append(path)
    write_parquet(rows, path)
    sync(path)
    return AddAction(
        path=path.relative_to(table).as_posix(),
        size=path.stat().st_size,
        partition_values={} if day is None else {PARTITION: day.isoformat()},
        modification_time=time.time_ns() // 1_000_000,
        data_change=True,
        stats=json.dumps(statistics(rows)),
    )


def removal(file: Mapping[str, Any], *, data_change: bool) -> RemoveAction:
    """Takes out a live file, given as `live_files` has it."""
    day = file.get(f"partition.{PARTITION}")
    values = {} if day is None else {PARTITION: day.isoformat()}
    return RemoveAction(file["path"], data_change, time.time_ns() // 1_000_000, file["size_bytes"], values)


def write_parquet(rows: pa.Table, path: Path) -> None:
    """In groups small enough that one row is read without many others. Floats get no dictionary and no statistics: they
    hardly repeat, and so both cost time, and the first space.
    """
    others = [field.name for field in rows.schema if not pa.types.is_floating(field.type)]
    texts = [name for name in others if pa.types.is_string(rows.schema.field(name).type)]
    options: dict[str, Any] = {"use_dictionary": texts, "write_statistics": others}
    storage.write_parquet(rows, path, compression="zstd", row_group_size=GROUP_ROWS, **options)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file; text and bytes in their plain form: with that of delta-rs's files pyarrow can't do much."""
    rows = open_parquet(path).read(columns=None if columns is None else list(columns))
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    fields = [field.with_type(plain.get(field.type, field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def statistics(rows: pa.Table) -> dict[str, object]:
    """Delta's statistics of a file: rows, and least, greatest and nulls of each INDEXED column."""
    least: dict[str, object] = {}
    greatest: dict[str, object] = {}
    for name in INDEXED:
        if name in rows.column_names:
            ends = pc.call_function("min_max", [rows.column(name)])
            least[name], greatest[name] = _plain(ends["min"]), _plain(ends["max"])
    return {"numRecords": len(rows), "minValues": least, "maxValues": greatest, "nullCount": dict.fromkeys(least, 0)}


def _plain(value: pa.Scalar) -> object:
    if pa.types.is_timestamp(value.type):
        return f"{np.datetime_as_string(np.datetime64(value.value, 'us'))}Z"
    return value.as_py()
