"""Training data, pinned: labelled rows of an event-time range as they were known at one moment.

A snapshot is correct in time: no label with an event time after `as_of` enters it, nor any row that was predicted
after it; of the labels up to `as_of` the latest one counts. A label that is no value of its kind, or older than its
row, does not count and is told. A snapshot is pinned by the versions of the tables it was read from.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shared.errors import DriftlineError, InvalidInput
from shared.events import SnapshotPin
from shared.feature_log.reading import open_table
from shared.feature_log.row_hash import row_hash
from shared.feature_log.schema import TableKind, table_path
from shared.feature_log.selection import Bounds, LeftOut, Sources, select_rows

__all__ = ["Bounds", "LeftOut", "Snapshot", "SnapshotChanged", "pin_snapshot", "read_snapshot"]


class SnapshotChanged(DriftlineError):
    """The tables no longer hold the rows that were pinned."""


@dataclass(frozen=True)
class Snapshot:
    """n labelled rows, sorted by (event_time, request_id, row), each (request_id, row) once.

    `table` has `request_id` binary, `row` int32, `entity` string, `event_time` timestamp[us, UTC], the features sorted
    by name (float32 or string, null where missing or unseen), `score` float32 (null for history), `label` float64 and
    `label_time` timestamp[us, UTC]. `left_out` counts the labels that do not count.
    """

    pin: SnapshotPin
    table: pa.Table
    left_out: LeftOut

    def __len__(self) -> int:
        return int(self.table.num_rows)


def pin_snapshot(tables: Path, model: str, bounds: Bounds) -> Snapshot:
    """The snapshot of a model's rows with start <= event_time < end and the labels known at `as_of`, read now.

    Rows are those the champion answered (repeats left out) and the imported history. Times have a time zone.

    Raises:
        InvalidInput: a time has no time zone, `end` is not after `start`, or a feature is numeric in one table and
            categorical in the other.
    """
    start, end, as_of = _utc("start", bounds.start), _utc("end", bounds.end), _utc("as_of", bounds.as_of)
    bounds = Bounds(start, end, as_of, bounds.label_kind)
    if start >= end:
        raise InvalidInput("end", "must be after start")
    sources = _open(tables, model)
    table, left_out = select_rows(sources, bounds)
    pin = SnapshotPin(
        history_version=_version(sources.history),
        predictions_version=_version(sources.predictions),
        labels_version=_version(sources.labels),
        **vars(bounds),
        rows=table.num_rows,
        row_hash=row_hash(table),
    )
    return Snapshot(pin, table, left_out)


def read_snapshot(tables: Path, model: str, pin: SnapshotPin) -> Snapshot:
    """The rows of a pinned snapshot, from the versions it was pinned at, checked against its hash.

    Raises:
        SnapshotChanged: a pinned version or one of its files is gone, or its rows are not those that were pinned.
    """
    try:
        sources = _open(tables, model, pin)
        table, left_out = select_rows(sources, Bounds(pin.start, pin.end, pin.as_of, pin.label_kind))
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise SnapshotChanged(f"snapshot of {model}: the pinned version can't be read: {error}") from error
    found = row_hash(table)
    if (table.num_rows, found) != (pin.rows, pin.row_hash):
        raise SnapshotChanged(
            f"snapshot of {model}: pinned were {pin.rows} rows with hash {pin.row_hash}, "
            f"the tables hold {table.num_rows} with hash {found}"
        )
    return Snapshot(pin, table, left_out)


def _utc(name: str, time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidInput(name, "must have a time zone")
    return time.astimezone(UTC)


def _version(table: DeltaTable | None) -> int | None:
    return None if table is None else int(table.version())


def _open(tables: Path, model: str, pin: SnapshotPin | None = None) -> Sources:
    """The model's tables, newest, or at the versions of a pin; a table that was not there then counts as absent."""

    def opened(kind: TableKind, version: int | None) -> DeltaTable | None:
        path = table_path(tables, model, kind)
        if pin is not None and version is None:
            return None
        table = open_table(path, version)
        if table is None and version is not None:
            raise SnapshotChanged(f"snapshot of {model}: the table {kind} is gone")
        return table

    return Sources(
        predictions=opened("predictions", pin.predictions_version if pin else None),
        labels=opened("labels", pin.labels_version if pin else None),
        history=opened("history", pin.history_version if pin else None),
    )
