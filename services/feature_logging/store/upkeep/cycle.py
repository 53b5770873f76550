"""Cleaning all tables now and then, beside their readers and writers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltalake.exceptions import DeltaError
from prometheus_client import Counter, Gauge
from structlog import get_logger

from services.feature_logging.store.upkeep.pins import PinnedVersions
from services.feature_logging.store.upkeep.retention import Retention
from services.feature_logging.store.upkeep.vacuum import clean
from shared.feature_log.damage import Damage, find_damage, told
from shared.feature_log.delta_log import tables_below

log = get_logger()
REMOVED = Counter("driftline_feature_log_removed_files_total", "Files that nobody needed", ["table", "kind"])

DAMAGED = Gauge("driftline_feature_log_damaged_tables", "Tables of which something is broken")


@dataclass(frozen=True)
class Kept:
    """How long: files that no version needs any more, in `hours`; rows by `retention` (None: for ever)."""

    hours: float
    retention: Retention | None = None


class Upkeep:
    """Every `every_seconds`: looks for damage, of which `on_damage` is told, takes rows out whose days are over (if
    nothing is damaged), and removes what no version needs that is pinned or young.
    """

    def __init__(
        self,
        tables: Path,
        bundles: Path,
        kept: Kept,
        every_seconds: float,
        on_damage: Callable[[Sequence[Damage]], None],
    ) -> None:
        self._tables = tables
        self._pinned = PinnedVersions(bundles)
        self._age = kept.hours * 3600
        self._every = every_seconds
        self._on_damage = on_damage
        self._retention = kept.retention

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await asyncio.to_thread(self.clean_all)
            except (OSError, DeltaError) as error:
                log.warning("can't look after the tables; it is tried again later", why=str(error))

    def clean_all(self) -> None:
        """Once. What can't be cleaned is told, and left as it is until the next time."""
        damages = find_damage(self._tables)
        DAMAGED.set(len(damages))
        if damages:
            log.error("the feature log is damaged", what=told(self._tables, damages))
            self._on_damage(damages)
        elif self._retention is not None:
            self._retention.retire_all()
        for path in set(tables_below(self._tables)) - {damage.table for damage in damages}:
            try:
                self._clean(path)
            except (OSError, DeltaError) as error:
                log.warning("can't clean a table; it is tried again later", table=str(path), why=str(error))

    def _clean(self, path: Path) -> None:
        name = path.relative_to(self._tables).as_posix()
        # What is pinned is read for each table anew: a bundle may come meanwhile.
        removed = clean(path, self._pinned.now().get(name, frozenset()), self._age)
        REMOVED.labels(name, "data").inc(removed.data_files)
        REMOVED.labels(name, "log").inc(removed.log_files)
        if removed.data_files or removed.log_files:
            log.info("cleaned", table=name, data_files=removed.data_files, log_files=removed.log_files)
