"""Removing what nobody needs: data files of no version that must stay readable, and the log entries of the others.

A version must stay readable if it is pinned, or was the newest at any time within an age. delta-rs's own log cleanup
knows no pinned versions, and its vacuum judges files that wait for their commit by the time when they were written.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.feature_log.delta_log import LOG, DeltaLog
from shared.feature_log.reading import live_paths, read_table
from shared.storage import files_in


@dataclass(frozen=True)
class Removed:
    """How many files of each kind."""

    data_files: int
    log_files: int


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
    found = files_in(table, deep=True)
    old = [path for path, _, time in found if path.suffix == ".parquet" and LOG not in path.parts and time < cutoff]
    if not old:
        return []
    needed = {path for version in (*versions, None) for path in live_paths(read_table(table, version))}
    return [path for path in old if path.relative_to(table).as_posix() not in needed]


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


def _remove(paths: Iterable[Path]) -> int:
    count = 0
    for path in paths:
        path.unlink(missing_ok=True)
        count += 1
    return count
