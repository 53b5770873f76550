"""Merging a table's small files, so that its commits and reads stay quick.

delta-rs's own `optimize.compact` is not used: when two workers run it at once, both commits stand and every row is
there twice (deltalake 1.6.6: it takes removals that change no data for harmless and drops the commit's app id).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.domain.evolution import conform
from services.feature_logging.store.files import parts_of, read_parquet, removal, write_file
from services.feature_logging.store.sync import sync_all
from services.feature_logging.store.table import LogTable
from shared.feature_log.reading import live_files
from shared.feature_log.schema import PARTITION
from shared.storage import local

APP_ID = "driftline/compaction"
# Files from this size on are left alone, so that no row is rewritten for ever.
SMALL = 32 * 2**20
# At most so much is merged into one file.
GROUP = 64 * 2**20

File = Mapping[str, Any]


def compact(table: LogTable) -> int:
    """Merge the small files of each day in one commit; returns how many files were merged.

    The rows, their columns and the app ids of the topic partitions stay as they are; old files stay on disk.

    Raises:
        Fenced: another worker compacted at the same time, or changed the schema. Nothing is lost or doubled.
        OSError, DeltaError: nothing was changed.
        NotDurable: see LogTable.
    """
    after = table.version_of(APP_ID) + 1  # before the files are listed: to ask later might read the log anew
    return table.rewrite((action for group in _groups(table) for action in _merge(table, group)), {APP_ID: after})


def checkpoint(table: LogTable) -> None:
    """Write down all of the table's newest version, so that nobody needs the log's entries before it to read it.

    Raises:
        OSError, DeltaError: there is none, or it may not survive a power failure; the entries before it stay.
    """
    table.delta.create_checkpoint()
    log = table.path / "_delta_log"
    if local(table.path):
        sync_all([*log.glob(f"{table.delta.version():020}.checkpoint*"), log / "_last_checkpoint", log])


def _groups(table: LogTable) -> Iterator[list[File]]:
    """Small files of the same day, oldest first, two or more together."""
    files = live_files(table.delta).to_pylist()
    small = [file for file in files if file["size_bytes"] < SMALL]
    by_day: dict[object, list[File]] = {}
    for file in sorted(small, key=lambda file: (file["modification_time"], file["path"])):
        by_day.setdefault(file.get(f"partition.{PARTITION}"), []).append(file)
    for files_of_day in by_day.values():
        yield from (group for group in _bounded(files_of_day) if len(group) > 1)


def _bounded(files: list[File]) -> Iterator[list[File]]:
    group: list[File] = []
    for file in files:
        if sum(member["size_bytes"] for member in group) + file["size_bytes"] > GROUP:
            yield group
            group = []
        group.append(file)
    yield group


def _merge(table: LogTable, group: list[File]) -> list[AddAction | RemoveAction]:
    day = group[0].get(f"partition.{PARTITION}")
    columns = pa.schema([field for field in table.schema if field.name != PARTITION])
    parts = (conform(rows, columns) for file in group for rows in parts_of(table.path / file["path"]))
    removed = [removal(file, data_change=False) for file in group]
    return [*write_file(table.path, day, parts, data_change=False), *removed]


def read_file(table: LogTable, file: File, day: object) -> pa.Table:
    """The rows of a data file, with the day that it is of (None: the table has no days)."""
    rows = read_parquet(table.path / file["path"])
    if day is None:
        return rows
    return rows.append_column(PARTITION, pa.repeat(pa.scalar(day, pa.date32()), len(rows)))
