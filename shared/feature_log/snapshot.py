"""Training data, pinned: rows of an event-time range, with their labels, as they were known at one moment.

A snapshot is correct in time: no label with an event time after `as_of` enters it, nor any row that was predicted
after it, nor, where `logged_by` is given, any of either that was logged after that; of the labels that are left the
latest one counts. A label that is no value of its kind, or older than its row, does not count and is told. A snapshot
is pinned by the versions of the tables it was read from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileType

from shared.errors import DriftlineError, InvalidInput
from shared.events import SnapshotPin
from shared.feature_log.bounds import Bounds, wanted_rows
from shared.feature_log.forgotten import forgotten_since
from shared.feature_log.keystore import KeyReader
from shared.feature_log.privacy import reveal
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.retired import retired_between
from shared.feature_log.row_hash import row_hash
from shared.feature_log.schema import TableKind, table_path
from shared.feature_log.selection import LeftOut, Sources, select_rows
from shared.storage import local

__all__ = ["Bounds", "LeftOut", "Snapshot", "SnapshotChanged", "pin_snapshot", "read_snapshot"]


class SnapshotChanged(DriftlineError):
    """The tables no longer hold the rows that were pinned."""


@dataclass(frozen=True)
class Snapshot:
    """n rows, sorted by (event_time, request_id, row), each (request_id, row) once.

    `table` has `request_id` binary, `row` int32, `entity` string, `event_time` timestamp[us, UTC], the features sorted
    by name (float32 or string, null where missing or unseen), `score` float32 (null for history), `label` float64 and
    `label_time` timestamp[us, UTC] (both null where labels are "left" and there is none). `left_out` counts the labels
    that do not count. `files` names the data files that may hold such rows, by kind of table and relative to it.
    `retired` says which days of the range are over, so that their rows are not among these.
    """

    pin: SnapshotPin
    table: pa.Table
    left_out: LeftOut
    files: Mapping[TableKind, tuple[str, ...]]
    retired: str | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)


def pin_snapshot(
    tables: Path, model: str, bounds: Bounds, keys: KeyReader | None = None, *, all_there_is: bool = False
) -> Snapshot:
    """The snapshot of a model's rows with start <= event_time < end and the labels known at `as_of`, read now.

    Rows are those the champion answered (repeats left out) and the imported history. Times have a time zone. Features
    that are kept hashed come as text; encrypted ones as they were with `keys`, null where there are none. The pin is of
    the rows as they are kept. `all_there_is`: days whose rows were retired are left out.

    Raises:
        InvalidInput: a time has no time zone, `end` is not after `start`, a feature is numeric in one table and
            categorical in the other, or rows of a day that was asked for were retired.
        NoKeys: something is encrypted, and the keys can't be read.
        OSError, DeltaError: the tables can't be read just now.
    """
    bounds = bounds.checked()
    sources = _open(tables, model)
    last = (bounds.end - timedelta(microseconds=1)).date()
    retired = retired_between(tables, model, sources.items(), bounds.start.date(), last)
    if retired and not all_there_is:
        raise InvalidInput("start", f"{retired}; ask for rows of later days")
    table, left_out = select_rows(sources, bounds)
    pin = _pin(sources, bounds, table)
    return Snapshot(pin, reveal(table, model, keys), left_out, _files(sources, bounds), retired)


def read_snapshot(tables: Path, model: str, pin: SnapshotPin, keys: KeyReader | None = None) -> Snapshot:
    """The rows of a pinned snapshot, from the versions it was pinned at, checked against its hash.

    Raises:
        NoKeys: see `pin_snapshot`.
        SnapshotChanged: a pinned version or one of its files is gone, or its rows are not those that were pinned; if
            an entity was forgotten since, the text says so.
        OSError: the store can't be reached just now.
    """
    try:
        sources = _open(tables, model, pin)
        bounds = Bounds(**{field.name: getattr(pin, field.name) for field in fields(Bounds)})
        files = _files(sources, bounds)
        if gone := _gone(sources, files):
            raise _changed(tables, model, pin, f"data files of the pinned version are gone: {', '.join(gone)}")
        table, left_out = select_rows(sources, bounds)
    except (DeltaError, OSError, OverflowError, pa.ArrowException) as error:
        if _away(tables, error):
            raise
        raise _changed(tables, model, pin, f"the pinned version can't be read: {error}") from error
    found = row_hash(table)
    if (table.num_rows, found) != (pin.rows, pin.row_hash):
        pinned, now = f"{pin.rows} rows with hash {pin.row_hash}", f"{table.num_rows} with hash {found}"
        raise _changed(tables, model, pin, f"pinned were {pinned}, the tables hold {now}")
    return Snapshot(pin, reveal(table, model, keys), left_out, files)


def _away(tables: Path, error: Exception) -> bool:
    """Whether a store gave no answer; of an object that is gone it gives one."""
    return not local(tables) and isinstance(error, OSError) and not isinstance(error, FileNotFoundError)


def _changed(tables: Path, model: str, pin: SnapshotPin, how: str) -> SnapshotChanged:
    why = forgotten_since(tables, model, pin)
    return SnapshotChanged(f"snapshot of {model}: {f'{why}; ' if why else ''}{how}")


def _pin(sources: Sources, bounds: Bounds, rows: pa.Table) -> SnapshotPin:
    return SnapshotPin(
        history_version=_version(sources.history),
        predictions_version=_version(sources.predictions),
        labels_version=_version(sources.labels),
        **vars(bounds),
        rows=rows.num_rows,
        row_hash=row_hash(rows),
    )


def _version(table: DeltaTable | None) -> int | None:
    return None if table is None else int(table.version())


def _files(sources: Sources, bounds: Bounds) -> dict[TableKind, tuple[str, ...]]:
    return {
        kind: tuple(sorted(part.path for part in dataset(table).get_fragments(filter=wanted_rows(kind, bounds))))
        for kind, table in sources.items()
    }


def _gone(sources: Sources, files: Mapping[TableKind, tuple[str, ...]]) -> list[str]:
    """Which of the files are not there. To find out in the middle of reading would leave readers of others behind."""
    return [
        f"{kind}/{found.path}"
        for kind, table in sources.items()
        for found in dataset(table).filesystem.get_file_info(list(files[kind]))
        if found.type == FileType.NotFound
    ]


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
