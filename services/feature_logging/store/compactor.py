"""When tables are compacted: those of messages beside their commits, which never wait for it; records as they come."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from deltalake.exceptions import DeltaError
from prometheus_client import Gauge
from structlog import get_logger

from services.feature_logging.store.compaction import checkpoint, compact
from services.feature_logging.store.memory import give_back
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import Fenced, LogTable, NotDurable

log = get_logger()
EVERY = 50  # versions of a table of records
FILES = Gauge("driftline_feature_log_live_files", "Live data files after the last compaction", ["table"])


class Compactor:
    """Compacts a table after so many `commits`, one at a time, in a thread of its own.

    `on_broken` is told, in that thread, what ends the process.
    """

    def __init__(self, commits: int, on_broken: Callable[[NotDurable], None]) -> None:
        self._most = commits
        self._on_broken = on_broken
        self._thread = ThreadPoolExecutor(1, "compaction")
        self._commits: dict[Path, int] = {}
        self._running: dict[Path, Future[None]] = {}

    def opened(self, table: LogTable) -> None:
        """Each of its files counts as a commit."""
        self._commits[table.path] = len(table.delta.file_uris())

    def committed(self, place: Place, name: str) -> None:
        """Another commit to the table of this `name`."""
        self._commits[place.path] += 1
        before = self._running.get(place.path)
        if self._commits[place.path] >= self._most and (before is None or before.done()):
            self._commits[place.path] = 0
            self._running[place.path] = self._thread.submit(self.compact, place, name)

    async def at_rest(self) -> None:
        """When none is under way."""
        await asyncio.gather(*map(asyncio.wrap_future, self._running.values()))

    def compact(self, place: Place, name: str) -> None:
        """On a table of its own: appends go on beside it, and it sees those that came before. What fails is logged."""
        try:
            _compact(lambda: LogTable(place), name)
        except NotDurable as error:
            self._on_broken(error)


def record(table: LogTable, rows: pa.Table, app: str) -> None:
    """Append rows to a table that no consume loop writes, and so nobody else compacts; raises as LogTable's `commit`.

    After some commits it is compacted; should that fail, then after some more.
    """
    table.append(rows, app)
    tidy(table)


def tidy(table: LogTable) -> None:
    """Compact a table of records that has just been committed to, now and then; raises NotDurable."""
    if table.delta.version() % EVERY == 0:
        _compact(lambda: table, table.path.name)


def _compact(opened: Callable[[], LogTable], name: str) -> None:
    try:
        table = opened()
        merged = compact(table)
        checkpoint(table)
        FILES.labels(name).set(len(table.delta.file_uris()))
        give_back()
        log.info("compacted", table=name, files=merged)
    except Fenced:
        log.info("another worker compacts", table=name)
    except (OSError, DeltaError) as error:
        log.warning("compaction failed; it is tried again later", table=name, why=str(error))
