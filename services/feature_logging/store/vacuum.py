"""Removing what nobody needs: data files of no version that must stay readable, and the log entries of the others.

A version must stay readable if it is pinned, or was the newest at any time within an age. delta-rs's own log cleanup
knows no pinned versions, and its vacuum judges files that wait for their commit by the time when they were written.
"""

import re
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")


@dataclass(frozen=True)
class Removed:
    """How many files of each kind."""

    data_files: int
    log_files: int


@dataclass(frozen=True)
class _Entry:
    version: int
    path: Path
    time: float


class DeltaLog:
    """The entries of a table's log as they lie in its folder now."""

    def __init__(self, table: Path) -> None:
        self.commits = sorted(_entries(table, _COMMIT), key=lambda entry: entry.version)
        self.checkpoints = sorted(_entries(table, _CHECKPOINT), key=lambda entry: entry.version)
        self._versions = {entry.version for entry in self.commits}

    def newest_at(self, time: float) -> int:
        """The version that was the newest at a time (seconds since 1970), or the oldest that there is."""
        return max((entry.version for entry in self.commits if entry.time <= time), default=self.commits[0].version)

    def base(self, version: int) -> int:
        """Where reading begins to open a version: its checkpoint, or 0."""
        return max((entry.version for entry in self.checkpoints if entry.version <= version), default=0)

    def can_open(self, version: int) -> bool:
        """Whether the entries from its base on are all there."""
        base = self.base(version)
        first = base + 1 if any(entry.version == base for entry in self.checkpoints) else base
        return all(each in self._versions for each in range(first, version + 1))


def clean(table: Path, pinned: Collection[int], age: float) -> Removed:
    """Remove what no version needs that is pinned, or was the newest in the last `age` seconds.

    Files stay a tenth of that longer, for a commit comes a little after its files (whose time LogTable renews then).
    Any number may clean at once, and be killed.

    Raises:
        OSError, DeltaError: a file can't be removed, or a version that must stay can't be read; the rest stays.
    """
    log = DeltaLog(table)
    if not log.commits:
        return Removed(0, 0)
    now = time.time()
    oldest = log.newest_at(now - age)
    kept = {version for version in pinned if version < oldest and log.can_open(version)}
    data = _remove(_unused(table, kept | {oldest}, now - 1.1 * age))
    return Removed(data, _remove(_outdated(log, kept, oldest)))


def _unused(table: Path, versions: Collection[int], cutoff: float) -> list[Path]:
    old = [path for path in table.rglob("*.parquet") if LOG not in path.parts and path.stat().st_mtime < cutoff]
    if not old:
        return []
    needed = {path for version in (*versions, None) for path in _files(table, version)}
    return [path for path in old if str(path.relative_to(table)) not in needed]


def _files(table: Path, version: int | None) -> list[str]:
    actions = DeltaTable(table, version=version).get_add_actions(flatten=True)
    return [str(path) for path in actions.column("path").to_pylist()]


def _outdated(log: DeltaLog, kept: Collection[int], oldest: int) -> Iterator[Path]:
    spans = [range(log.base(version), version + 1) for version in (*kept, oldest)]
    starts = {span.start for span in spans}
    end = spans[-1].start
    for entry in log.commits:
        if entry.version < end and not any(entry.version in span for span in spans):
            yield entry.path
    for entry in log.checkpoints:
        if entry.version < end and entry.version not in starts:
            yield entry.path


def _entries(table: Path, name: re.Pattern[str]) -> Iterator[_Entry]:
    for path in (table / LOG).iterdir():
        if found := name.fullmatch(path.name):
            yield _Entry(int(found[1]), path, path.stat().st_mtime)


def _remove(paths: Iterable[Path]) -> int:
    count = 0
    for path in paths:
        path.unlink(missing_ok=True)
        count += 1
    return count
