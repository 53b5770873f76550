"""What has come into a table since one last looked, whoever wrote it; at first, the newest of it."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from services.feature_logging.store.finding import Moved, passing_over
from services.feature_logging.store.table import FRESH
from shared.feature_log.reading import live_files, open_table
from shared.feature_log.schema import app_id
from shared.storage import open_parquet

# Not a row that was forgotten.
KNOWN = ds.field("request_id").is_valid()
# So many times as many rows as are wanted are looked through for them.
SEARCHED = 10


class Reader:
    """A table, opened once it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delta: DeltaTable | None = None
        self._read = 0.0

    def fresh(self) -> DeltaTable | None:
        """The table at its newest version; None while there is none."""
        if self._delta is not None and time.monotonic() - self._read < FRESH:
            with contextlib.suppress(DeltaError):  # the log's entries after this version are removed by now
                self._delta.update_incremental()
                return self._delta
        self._delta, self._read = open_table(self.path), time.monotonic()
        return self._delta

    def versions(self, apps: Iterable[str]) -> dict[str, int]:
        """The txn versions of app ids, now; 0 where there is none."""
        delta, wanted = self.fresh(), list(apps)
        try:
            return {app: delta.transaction_version(app) or 0 if delta else 0 for app in wanted}
        except DeltaError:  # delta-rs reads entries of the log for it that may have been removed meanwhile
            self._delta = None
            return self.versions(wanted)


class Follower:
    """Rows of one topic as they come into a table; at most about `bound` of those that come at once, the newest. With
    `chosen`, which takes rows in these columns and returns some of them, it is about `bound` of those that it returns,
    of the newest rows, SEARCHED times as many.
    """

    def __init__(
        self,
        reader: Reader,
        topic: str,
        columns: list[str],
        bound: int,
        chosen: Callable[[pa.Table], pa.Table] = lambda rows: rows,
    ) -> None:
        self._reader = reader
        self._topic = topic
        self._columns = columns
        self._bound = bound
        self._chosen = chosen
        self._seen: dict[int, int] = {}
        self._version: int | None = None

    def news(self) -> pa.Table | None:
        """The columns of all rows since the last call in the order in which Kafka took them; None if there are none."""
        delta = self._reader.fresh()
        if delta is None or delta.version() == self._version:
            return None
        version = delta.version()
        moved = self._moved(_newest_first(delta))
        # As new as the versions, or newer: what came after them is passed over until the next call.
        delta = self._reader.fresh() or delta
        paths = [file["path"] for file in _newest_first(delta) if any(_may_hold(file, *each) for each in moved.items())]
        columns = [*dict.fromkeys([*self._columns, "log_time", "source_partition", "source_offset"])]
        try:
            parts = _newest(_each(self._reader.path, paths, columns, _within(moved)), self._bound, self._chosen)
        except Moved:
            return self.news()
        self._version = version
        self._seen |= {number: offsets.stop for number, offsets in moved.items()}
        return pa.concat_tables(parts).sort_by("log_time").select(self._columns) if parts else None

    def _moved(self, files: list[dict[str, Any]]) -> dict[int, range]:
        """By partition the offsets that came since the last call."""
        last = max((file["max.source_partition"] for file in files), default=-1)
        apps = {app_id(self._topic, number): number for number in range(last + 1)}
        ends = {apps[app]: version for app, version in self._reader.versions(apps).items()}
        spans = {number: range(self._seen.get(number, 0), end) for number, end in ends.items()}
        return {number: span for number, span in spans.items() if span}


class NewFiles:
    """Columns of the files that came into a table since the last call; at first of the newest, about `bound` rows."""

    def __init__(self, reader: Reader, columns: list[str], bound: int) -> None:
        self._reader = reader
        self._columns = columns
        self._bound = bound
        self._known: frozenset[str] = frozenset()
        self._version: int | None = None

    def news(self) -> list[pa.Table]:
        """The newest file first; rows come again when files were merged."""
        delta = self._reader.fresh()
        if delta is None or delta.version() == self._version:
            return []
        paths = [file["path"] for file in _newest_first(delta)]
        try:
            new = [path for path in paths if path not in self._known]
            parts = _newest(_each(self._reader.path, new, self._columns, KNOWN), self._bound)
        except Moved:
            return self.news()
        self._version, self._known = delta.version(), frozenset(paths)
        return parts


def _newest_first(delta: DeltaTable) -> list[dict[str, Any]]:
    actions = live_files(delta)
    files: list[dict[str, Any]] = actions.sort_by([("max.log_time", "descending")]).to_pylist() if len(actions) else []
    return files


def _each(table: Path, paths: list[str], columns: list[str], rows: ds.Expression) -> Iterator[pa.Table]:
    """The rows of each file, which is read when they are asked for."""
    for path in paths:
        with passing_over(table, path):
            yield open_parquet(table / path).read(columns=columns).filter(rows)


def _newest(
    files: Iterator[pa.Table], most: int, chosen: Callable[[pa.Table], pa.Table] = lambda rows: rows
) -> list[pa.Table]:
    """The chosen rows of each file until there are enough, or enough were looked through."""
    parts: list[pa.Table] = []
    searched = 0
    for rows in files:
        parts.append(chosen(rows))
        searched += len(rows)
        if sum(map(len, parts)) >= most or searched >= SEARCHED * most:
            break
    return parts


def _may_hold(file: dict[str, Any], partition: int, offsets: range) -> bool:
    spanned = file["min.source_partition"] <= partition <= file["max.source_partition"]
    return bool(spanned and file["max.source_offset"] >= offsets.start and file["min.source_offset"] < offsets.stop)


def _within(moved: dict[int, range]) -> ds.Expression:
    partition, offset, chosen = ds.field("source_partition"), ds.field("source_offset"), ds.scalar(False)
    for number, offsets in moved.items():
        chosen |= (partition == number) & (offset >= offsets.start) & (offset < offsets.stop)
    return chosen & KNOWN
