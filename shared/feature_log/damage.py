"""What is broken in the folder of a table: entries of its log, its newest checkpoint, data files.

Of an entry whose content is gone a mark may be left (`mark`), so that the table can be opened and what was lost is not
forgotten; when all of it is there again the mark says so (`settle`).
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shared.feature_log.delta_log import DeltaLog, Entry, tables_below
from shared.feature_log.reading import live_files, read_table
from shared.storage import replace, sizes_of, sync

_MARK = "driftline"


@dataclass(frozen=True)
class LostFile:
    """A live data file that is not there as it was committed; `action` as deltalake's get_add_actions has it."""

    action: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Damage:
    """Of one table. `unreadable` is why it can't be opened, once nothing else is known to be wrong."""

    table: Path
    checkpoints: tuple[Path, ...] = ()
    entries: tuple[Entry, ...] = ()
    files: tuple[LostFile, ...] = ()
    unreadable: str | None = None

    @property
    def closed(self) -> bool:
        """Whether the table may not be opened."""
        return bool(self.checkpoints or self.entries or self.unreadable)

    def told(self) -> list[str]:
        """One sentence for each thing that is broken."""
        said = [f"checkpoint {path.name} is cut short" for path in self.checkpoints]
        said += [f"log entry {entry.version} has lost its content" for entry in self.entries]
        said += [f"data file {file.action['path']} {file.why}" for file in self.files]
        return said + ([f"can't be opened: {self.unreadable}"] if self.unreadable else [])


def find_damage(tables: Path) -> list[Damage]:
    """That of all tables in the folder of the log; the rows themselves are not read."""
    found = [_damage(table) for table in tables_below(tables)]
    return [damage for damage in found if damage.told()]


def told(tables: Path, damages: Iterable[Damage]) -> tuple[str, ...]:
    """Each thing that is broken, with its table."""
    return tuple(f"{each.table.relative_to(tables).as_posix()}: {said}" for each in damages for said in each.told())


def _damage(table: Path) -> Damage:
    log = DeltaLog(table)
    if not log.commits:
        return Damage(table)
    checkpoints = tuple(entry.path for entry in log.checkpoints[-1:] if not _whole_parquet(entry.path))
    entries = tuple(entry for entry in log.since_checkpoint() if not _whole(entry))
    if checkpoints:
        return Damage(table, checkpoints, entries)
    try:
        return Damage(table, entries=entries, files=tuple(lost_files(table, read_table(table))))
    except (DeltaError, OSError) as error:
        return Damage(table, entries=entries, unreadable=None if entries else str(error).splitlines()[0])


def lost_files(path: Path, table: DeltaTable) -> Iterator[LostFile]:
    """The live data files of a table in a folder that are gone or have another size."""
    actions = live_files(table).to_pylist()
    sizes = sizes_of(path, [action["path"] for action in actions])
    for action, size in zip(actions, sizes, strict=True):
        if size != action["size_bytes"]:
            why = "is gone" if size is None else f"has {size} bytes instead of {action['size_bytes']}"
            yield LostFile(action, why)


def mark(entry: Entry) -> None:
    """Make the table readable without what the entry held, which is still known to be lost."""
    _write(entry.path, "lost")


def restart(entry: Entry) -> None:
    """Take away the first entry if it is the only one: the table is not begun yet."""
    if len(DeltaLog(entry.path.parent.parent).commits) == 1:
        entry.path.unlink()
        sync(entry.path.parent)


def settle(entry: Entry) -> None:
    """What the entry held is in the table again."""
    _write(entry.path, "restored")


def _write(path: Path, state: str) -> None:
    replace(path, json.dumps({"commitInfo": {"operation": "REPAIR", _MARK: state}}) + "\n")


# An entry is written once, so one of this time and size was looked at before.
@lru_cache(100_000)
def _whole(entry: Entry) -> bool:
    try:
        actions = [json.loads(line) for line in entry.path.read_text().splitlines()]
    except ValueError:
        return False
    return bool(actions) and not any(action.get("commitInfo", {}).get(_MARK) == "lost" for action in actions)


def _whole_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4))
        return file.read() == b"PAR1"


def remove_checkpoint(path: Path) -> None:
    """Take away a broken one, and the hint that leads to it: the commits before it are all there still."""
    for each in (path.parent / "_last_checkpoint", path):
        each.unlink(missing_ok=True)
    sync(path.parent)
