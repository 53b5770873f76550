"""Links of the hash chain: made of what was committed, or, after a crash, of what the tables hold."""

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from shared.feature_log.forgotten import last_change
from shared.feature_log.opened import TOPICS, OpenLog, Source, open_log
from shared.feature_log.proof.links import MOST_ROWS, Unit, beginning, chain, to_table, units
from shared.feature_log.proof.messages import Held, held
from shared.feature_log.proof.reading import END, pieces
from shared.feature_log.reading import dataset
from shared.feature_log.schema import PROOF, REJECTED_NAME, app_id, proof_path


class Prover:
    """Takes what is committed and makes links of it. Used by one thread at a time."""

    def __init__(self, tables: Path) -> None:
        self.place = Place(proof_path(tables), PROOF)
        self._tables = tables
        self._taken: dict[str, list[Held]] = defaultdict(list)
        self._units: dict[Source, list[Unit]] = {}
        self._ends: dict[Source, int] = {}
        self._held: dict[Source, int] = {}
        self._rows = 0
        self._proved_at = time.monotonic()
        self._forgotten: int | None = None

    def begin(self) -> None:
        """Rows are about to be committed: what is forgotten from here on may change those that are taken."""
        if self._forgotten is None:
            self._forgotten = last_change(self._tables)

    def take(self, table: str, rows: pa.Table) -> None:
        """These rows of a table are committed, as part of a flush."""
        topic = TOPICS.get(table.rpartition("/")[2])  # type: ignore[call-overload]  # any name
        if topic is not None:
            self._taken[topic].append(held(table, rows))
        elif table == REJECTED_NAME:
            for topic in rows.column("topic").unique().to_pylist():
                self._taken[topic].append(held(table, rows.filter(ds.field("topic") == topic)))

    def settle(self) -> None:
        """All tables have committed their part of the flush."""
        for topic, tables in self._taken.items():
            for partition in {number for each in tables for number in each.partitions}:
                found = units(partition, tables)
                self._units.setdefault((topic, partition), []).extend(found)
                self._ends[topic, partition] = found[-1].span.last + 1
                self._rows += sum(unit.span.rows for unit in found)
        self._taken.clear()

    def due(self, seconds: float) -> bool:
        """Is it time for links?"""
        waited = time.monotonic() - self._proved_at
        return bool(self._units) and (waited >= seconds or self._rows >= MOST_ROWS)

    @property
    def sources(self) -> list[Source]:
        """The topic partitions of which something is not in a link yet."""
        return list(self._units)

    def resume(self, held: Mapping[Source, int]) -> None:
        """Reading goes on: from these offsets on no table holds anything. What is taken of earlier offsets is what some
        tables lacked after a crash, and only together with what others held is it all.
        """
        self._held.update(held)

    def links(self, proof: LogTable, ends: Mapping[Source, int]) -> Pending | None:
        """The rows of `_proof` that are missing for these topic partitions; None if none is. Before its end each is
        wholly in the tables, and so is all that was taken.
        """
        if (forgotten := last_change(self._tables)) != self._forgotten:  # what was taken may be other rows by now
            self._units, self._forgotten = {source: [] for source in self._units}, forgotten
        pending, log = Pending(PROOF), _Opened(self._tables)
        for source, end in ends.items():
            proven = proof.version_of(app_id(*source))
            found = self._missing(log, source, range(proven, max(end, self._ends.get(source, 0))))
            if found:
                made = list(chain(*source, _head(proof.delta, source, proven), found))
                pending.add(to_table(made), app_id(*source), judged=proven, version=made[-1].span.last + 1)
        return pending if len(pending) else None

    def proved(self) -> None:
        """The links are committed."""
        self._units, self._ends, self._rows, self._proved_at = {}, {}, 0, time.monotonic()

    def _missing(self, log: "_Opened", source: Source, unproven: range) -> list[Unit]:
        taken = self._units.get(source, [])
        whole = [unit for unit in taken if unit.span.first >= max(unproven.start, self._held.get(source, END))]
        end = whole[0].span.first if whole else unproven.stop
        if end <= unproven.start:
            return whole
        found = pieces(log.log, source, unproven.start, end)
        return [*(unit for tables in found for unit in units(source[1], tables)), *whole]


class _Opened:
    """The log, opened when first asked for."""

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._log: OpenLog | None = None

    @property
    def log(self) -> OpenLog:
        self._log = self._log or open_log(self._tables)
        return self._log


def _head(proof: DeltaTable, source: Source, proven: int) -> str:
    """The hash of the last link of a topic partition."""
    topic, partition = source
    if not proven:
        return beginning(topic, partition)
    last = (ds.field("topic") == topic) & (ds.field("partition") == partition) & (ds.field("last") == proven - 1)
    hashes: list[str] = dataset(proof).to_table(columns=["hash"], filter=last).column("hash").to_pylist()
    return hashes[0] if hashes else beginning(topic, partition)
