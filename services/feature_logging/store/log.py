"""All tables of the feature log behind one bounded buffer: the skip rule, commits, and waiting for a full disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from prometheus_client import Counter, Histogram
from structlog import get_logger

from services.feature_logging.domain.evolution import changed_type
from services.feature_logging.domain.origin import Origin
from services.feature_logging.store.compactor import Compactor
from services.feature_logging.store.pending import Pending, Unmade
from services.feature_logging.store.persist import Persist
from services.feature_logging.store.place import Place
from services.feature_logging.store.proof import Prover
from services.feature_logging.store.rejections import Rejections, recent_rejections
from services.feature_logging.store.table import Fenced, LogTable, NotDurable
from shared.errors import Unreadable
from shared.feature_log.opened import Source
from shared.feature_log.schema import app_id, rejected_path
from shared.storage import local

log = get_logger()
T = TypeVar("T")
COMMITS = Histogram("driftline_feature_log_commit_seconds", "One Delta commit, with its fsyncs", ["table"])
ROWS = Counter("driftline_feature_log_rows_total", "Rows committed", ["table"])
SKIPPED = Counter("driftline_feature_log_skipped_total", "Messages read again that the log already held", ["table"])
# Each day is a file to sync: more of them in one commit would keep those waiting who read between commits.
DAYS_PER_COMMIT = 256
# More than the rows of a commit mostly take; where texts are long, fewer rows wait, for all of them are in memory.
BYTES_PER_COMMIT = 128 * 2**20


@dataclass(frozen=True)
class Limits:
    """A commit is made at `rows` waiting rows; a table is compacted after `compact_commits` commits; what was committed
    is in the hash chain after `prove_seconds`.
    """

    rows: int
    compact_commits: int
    prove_seconds: float = 300


class FeatureLog:
    """Used by one consume loop, which handles one message after the other; only `between_commits` is for others.

    `on_trouble` is told the reason when the disk refuses a commit, and None when commits go on.
    """

    def __init__(self, tables: Path, limits: Limits, on_trouble: Callable[[str | None], None]) -> None:
        self.tables = tables
        self._limits = limits
        self._committing = asyncio.Lock()
        self._persist = Persist(on_trouble)
        self._compactor = Compactor(limits.compact_commits, self.stop)
        self.forget()

    def forget(self) -> None:
        """Drop the buffer and all that was read; what comes next is judged by the tables as they are then."""
        self._tables: dict[Path, LogTable] = {}
        self._pending: dict[Path, Pending] = {}
        self._prover = Prover(self.tables)
        self._broken: Fenced | NotDurable | None = None

    @property
    def most_rows(self) -> int:
        """How many rows wait at most."""
        return self._limits.rows

    @property
    def waiting(self) -> int:
        """Rows in the buffer."""
        return sum(map(len, self._pending.values()))

    async def table(self, place: Place) -> LogTable:
        """The table at a place, which is made if there is none.

        Raises:
            Fenced: a commit was refused; nothing goes on before `forget`.
        """
        if self._broken is not None:
            raise self._broken
        if place.path not in self._tables:
            self._tables[place.path] = table = await self._persist.until_done(lambda: LogTable(place))
            self._compactor.opened(table)
        return self._tables[place.path]

    async def rejections(self, place: Place) -> Rejections:
        """What was rejected lately, by the table at this place; raises Fenced as `table` does."""
        table = await self.table(place)
        return await self.read(partial(recent_rejections, table.path, table.delta))

    async def holds(self, place: Place, origin: Origin) -> bool:
        """The skip rule: are this message's rows in the table, or waiting for its next commit?"""
        app = app_id(origin.topic, origin.partition)
        waiting = self._pending[place.path].versions.get(app, 0) if place.path in self._pending else 0
        held = origin.offset < max(await self._version(place, app), waiting)
        if held:
            SKIPPED.labels(self._name(place.path)).inc()
        return held

    async def _version(self, place: Place, app: str) -> int:
        if place.path not in self._tables and not await self.read(place.exists):
            return 0
        table = await self.table(place)
        return table.version_of(app) if table.knows(app) else await self.read(partial(table.version_of, app))

    async def add(self, place: Place, rows: pa.Table | Unmade, origin: Origin) -> None:
        """Take the rows of a message that the table does not hold; commits when enough are waiting.

        Raises:
            Unreadable: a column has another type than in the table; the text names it.
            Fenced: see `commit`.
        """
        table, app = await self.table(Place(place.path, rows.schema)), app_id(origin.topic, origin.partition)
        pending = self._pending.get(place.path) or Pending(rows.schema)
        for schema in () if rows.schema in pending.schemas else (table.schema, pending.schema):
            if changed := changed_type(schema, rows.schema):
                raise Unreadable(": ".join(changed))
        pending.add(rows, app, judged=table.version_of(app), version=origin.offset + 1)
        self._pending[place.path] = pending
        if self.waiting >= self._limits.rows or len(pending.days) >= DAYS_PER_COMMIT or self._is_full():
            await self.commit()

    def _is_full(self) -> bool:
        return sum(pending.nbytes for pending in self._pending.values()) >= BYTES_PER_COMMIT

    async def commit(self) -> None:
        """Write all that waits, one commit per table, each on disk when this returns.

        While the disk refuses, it tries again and again, so that nothing more is read meanwhile.

        Raises:
            Fenced: another writer has taken over a partition; what was taken must be read again after `forget`.
            NotDurable: the process must end.
        """
        async with self._committing, self._whole():
            # Rejected ones first: after a crash in between, one that can be read by then must not be taken for logged.
            for path in sorted(self._pending, key=lambda path: path != rejected_path(self.tables)):
                await self._persist.until_done(partial(self._commit_table, path))
            await self._persist.until_done(self._prover.settle)
            if self._prover.due(self._limits.prove_seconds):
                await self._prove(dict.fromkeys(self._prover.sources, 0))

    def resume(self, held: Mapping[Source, int]) -> None:
        """Reading begins or goes on; from these offsets on no table holds anything."""
        self._prover.resume(held)

    async def prove(self, ends: Mapping[Source, int] | None = None) -> None:
        """Bring the hash chain up to what is committed: of these topic partitions up to the offsets before which the
        tables hold all, and of what this has committed.

        Raises:
            Fenced, NotDurable: see `commit`.
        """
        async with self._committing, self._whole():
            await self._prove(dict.fromkeys(self._prover.sources, 0) | dict(ends or {}))

    async def _prove(self, ends: Mapping[Source, int]) -> None:
        place = self._prover.place
        table = await self.table(place)
        links = await self._persist.until_done(partial(self._prover.links, table, ends))
        if links is not None:
            self._pending[place.path] = links
            await self._persist.until_done(partial(self._commit_table, place.path))
        self._prover.proved()

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[None]:
        if self._broken is not None:
            raise self._broken
        try:
            yield
        except (Fenced, NotDurable) as error:
            self._broken = error
            raise

    async def write(self, place: Place, make: Callable[[LogTable], Pending | None]) -> None:
        """Commit what `make` makes of a table as it is now, if anything; it is asked again where another writer was
        quicker. What waits is not touched.

        Raises:
            Fenced: `make` raised it; nothing goes on before `forget`.
            NotDurable: the process must end.
        """
        table = await self.table(place)
        async with self._committing, self._whole():
            await self._persist.until_done(partial(self._write, table, make))

    async def read(self, look: Callable[[], T]) -> T:
        """What `look` reads of the tables, in a thread. A store may be away for a while, and is waited for; a folder
        that can't be read is damaged, which is mended at the next start.
        """
        return await (asyncio.to_thread(look) if local(self.tables) else self._persist.until_done(look, "read"))

    async def written(self, write: Callable[[], T]) -> T:
        """What `write` gives, which writes beside the tables; a disk that is full, or a store, is waited for."""
        return await self._persist.until_done(write)

    async def between_commits(self, read: Callable[[], T]) -> T:
        """What `read` gives while no commit is under way; it runs in a thread of its own."""
        async with self._committing:
            return await asyncio.to_thread(read)

    def stop(self, error: Fenced | NotDurable) -> None:
        """Nothing goes on before `forget`; may be called from any thread."""
        self._broken = self._broken or error

    async def at_rest(self) -> None:
        """When no compaction is under way."""
        await self._compactor.at_rest()

    def _commit_table(self, path: Path) -> None:
        pending = self._pending.get(path)
        if pending is None:  # a commit that was cancelled while it ran has done it
            return
        self._prover.begin()
        self._commit_to(self._tables[path], pending)
        self._prover.take(self._name(path), pending.written)
        del self._pending[path]

    def _write(self, table: LogTable, make: Callable[[LogTable], Pending | None]) -> None:
        while True:
            table.refresh()
            pending = make(table)
            if pending is None:
                return
            try:
                self._commit_to(table, pending)
            except Fenced as error:
                log.info("another worker has written to the table; looking at it again", why=str(error))
            else:
                return

    def _commit_to(self, table: LogTable, pending: Pending) -> None:
        name = self._name(table.path)
        with COMMITS.labels(name).time():
            table.commit(pending)
        ROWS.labels(name).inc(len(pending))
        self._compactor.committed(table.place, name)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.tables))
