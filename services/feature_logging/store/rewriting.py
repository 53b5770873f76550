"""Changing rows that are in a table: files are written anew, and those that held the rows before are deleted.

It fences with compaction by the same app id, so that neither brings back what the other took away.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction, RemoveAction

from services.feature_logging.domain.evolution import conform
from services.feature_logging.store.compaction import APP_ID, File, read_file
from services.feature_logging.store.files import read_parquet, removal, write_files
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable
from shared.feature_log.delta_log import DeltaLog
from shared.feature_log.reading import live_files, live_paths, open_table, read_table
from shared.feature_log.schema import PARTITION

T = TypeVar("T")
TRIES = 10
# Which of the rows, given the columns that it needs: bool [n].
Find = Callable[[pa.Table], pa.Array]
Change = Callable[[pa.Table, pa.Array], pa.Table]


def rewrite(
    path: Path, columns: Sequence[str], find: Find, change: Change, before: Callable[[], None]
) -> tuple[int, int]:
    """Change the rows that are found; how many they were, and the version from which on they are changed. `before` is
    called first, and again whenever another worker was quicker: what it saw of the table is then what is changed.

    Raises:
        Fenced: other workers changed the table again and again; nothing was changed.
        OSError, DeltaError, NotDurable: see LogTable.
    """
    return persistently(partial(_rewrite, path, columns, find, change, before))


def persistently(work: Callable[[], T]) -> T:
    """What `work` gives, begun anew where another worker was quicker; raises Fenced in the end."""
    for _ in range(TRIES - 1):
        with suppress(Fenced):
            return work()
    return work()


def _rewrite(
    path: Path, columns: Sequence[str], find: Find, change: Change, before: Callable[[], None]
) -> tuple[int, int]:
    table = LogTable(Place.of(path, read_table(path)))
    after = table.version_of(APP_ID) + 1  # before the files are listed: to ask later might read the log anew
    before()
    files = [(file, found_in(table.path / file["path"], columns, find)) for file in live_files(table.delta).to_pylist()]
    changing = [(file, found) for file, found in files if found is not None]
    changed = (action for file, found in changing for action in _changed(table, file, found, change))
    table.rewrite(changed, {APP_ID: after})
    return sum(pc.call_function("sum", [found]).as_py() for _, found in changing), int(table.delta.version())


def _changed(table: LogTable, file: File, found: pa.Array, change: Change) -> list[AddAction | RemoveAction]:
    day = file.get(f"partition.{PARTITION}")
    rows = change(conform(read_file(table, file, day), table.schema), found)
    # As if no data changed: else delta-rs would refuse all appends of those who read the table before.
    return [*write_files(table.path, rows, data_change=False), removal(file, data_change=False)]


def found_rows(path: Path, columns: Sequence[str], find: Find, wanted: Sequence[str]) -> Iterator[pa.Table]:
    """The wanted columns of the rows of a table that `find` tells by `columns`, of each file that has any; of a table
    that is not there, none.
    """
    table = open_table(path)
    for name in [] if table is None else live_paths(table):
        if (found := found_in(path / name, columns, find)) is not None:
            yield read_parquet(path / name, wanted).filter(found)


def found_in(file: Path, columns: Sequence[str], find: Find) -> pa.Array | None:
    """Which of a file's rows are found; None if none is."""
    found = find(read_parquet(file, columns))
    return found if pc.call_function("any", [found]).as_py() else None


def delete_old(path: Path, columns: Sequence[str], find: Find) -> int:
    """Delete the files of older versions, pinned ones as well, that hold such rows; how many. Files that no version
    ever named may wait for their commit, and stay.
    """
    live = set(live_paths(read_table(path)))
    count = 0
    for name in sorted(set(_named(path)) - live):
        file = path / name
        with suppress(FileNotFoundError):  # a cleaning was quicker
            if found_in(file, columns, find) is not None:
                file.unlink()
                count += 1
    return count


def _named(path: Path) -> Iterator[str]:
    log = DeltaLog(path)
    for entry in log.commits:
        for line in entry.path.read_text("utf-8").splitlines():
            action: dict[str, Any] = json.loads(line)
            if "add" in action:
                yield unquote(action["add"]["path"])
    for entry in log.checkpoints:
        yield from live_paths(read_table(path, entry.version))
