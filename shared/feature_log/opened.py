"""The tables that take their rows from Kafka, all opened at one moment."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from deltalake import DeltaTable

from shared.events import LabelsReceived, Record
from shared.feature_log.damage import Damage, find_damage
from shared.feature_log.delta_log import app_ids
from shared.feature_log.reading import models_in, open_table
from shared.feature_log.retired import RetiredDay, retired_days, retired_path
from shared.feature_log.schema import (
    OWN,
    REJECTED_NAME,
    TableKind,
    app_id,
    gaps_path,
    proof_path,
)
from shared.kafka.admin import PREDICTIONS

TOPICS: dict[TableKind, str] = {
    "predictions": PREDICTIONS,
    "labels": LabelsReceived.topic,
    "business": LabelsReceived.topic,
}
Source = tuple[str, int]


class Lost(Record):
    """Offsets `first` to `last` that Kafka had deleted before they were read, and when that was found."""

    first: int
    last: int
    found: datetime


@dataclass(frozen=True)
class OpenTable:
    """A table at one version. `topic` is None for the table of rejected messages, which has many."""

    name: str
    topic: str | None
    table: DeltaTable


@dataclass(frozen=True)
class OpenLog:
    """The tables with rows from Kafka, and, if they are there, `_gaps` and `_proof`. `damages`: what is broken in the
    folders of tables, by name; one that can't be opened for it is left out. `retired`: the days whose rows went for
    good, by table. `sources`: the topic partitions that commits tell of. `folder`: where the tables lie.
    """

    tables: Sequence[OpenTable]
    gaps: DeltaTable | None
    proof: DeltaTable | None
    damages: Mapping[str, Damage] = field(default_factory=dict)
    retired: Mapping[str, Sequence[RetiredDay]] = field(default_factory=dict)
    sources: frozenset[Source] = frozenset()
    folder: Path | None = None

    @property
    def damage(self) -> tuple[str, ...]:
        """Each thing that is broken, with its table."""
        return tuple(f"{name}: {said}" for name, each in self.damages.items() for said in each.told())

    def lost_files(self, table: str) -> frozenset[str]:
        """The data files of a table that can't be read, by their paths in its folder."""
        found = self.damages[table].files if table in self.damages else ()
        return frozenset(file.action["path"] for file in found)

    @property
    def all(self) -> list[OpenTable]:
        """Every table that keeps next offsets of what was read."""
        return [*self.tables, *([OpenTable("_gaps", None, self.gaps)] if self.gaps else [])]

    def others(self) -> Iterator[OpenTable]:
        """The models' tables that no topic is read into, but for those that can't be opened: the newest of each."""
        kinds = [kind for kind in OWN if kind not in TOPICS]
        names = [f"{model}/{kind}" for model in (models_in(self.folder) if self.folder else ()) for kind in kinds]
        for name in names:
            closed = name in self.damages and self.damages[name].closed
            if self.folder and not closed and (table := open_table(self.folder / name)) is not None:
                yield OpenTable(name, None, table)

    def next_offset(self, source: Source) -> int:
        """The offset that the tables' commits say comes next; 0 where they hold nothing of it."""
        return max((each.table.transaction_version(app_id(*source)) or 0 for each in self.all), default=0)

    def proven(self, source: Source) -> int:
        """The offset after the last one that is in the hash chain."""
        return (self.proof.transaction_version(app_id(*source)) or 0) if self.proof else 0

    def lost(self) -> dict[Source, tuple[Lost, ...]]:
        """What Kafka deleted before it was read, by topic partition."""
        found: dict[Source, tuple[Lost, ...]] = defaultdict(tuple)
        for row in self.gaps.to_pyarrow_table().sort_by("first").to_pylist() if self.gaps else []:
            found[row.pop("topic"), row.pop("partition")] += (Lost(**row),)
        return found


def open_log(tables: Path) -> OpenLog:
    """Every table at its newest version.

    A writer that is between the commits of one flush makes a false gap; so a running service calls this between them.
    What is in the chain when it is opened is in the tables, too: it is opened first.
    """
    damages = {damage.table: damage for damage in find_damage(tables)}

    def opened(path: Path) -> DeltaTable | None:
        return None if path in damages and damages[path].closed else open_table(path)

    proof = opened(proof_path(tables))
    found = list(_tables(tables, opened))
    gone = {} if retired_path(tables) in damages else retired_days(tables, {each.name: each.table for each in found})
    gaps = opened(gaps_path(tables))
    told = [] if damages else [*(tables / each.name for each in found), *([gaps_path(tables)] if gaps else [])]
    sources = frozenset(source for path in told for app in app_ids(path) if (source := source_of(app)))
    broken = {path.relative_to(tables).as_posix(): damage for path, damage in damages.items()}
    return OpenLog(found, gaps, proof, broken, gone, sources, tables)


def _tables(tables: Path, opened: Callable[[Path], DeltaTable | None]) -> Iterator[OpenTable]:
    """Those with rows from Kafka that are there and can be opened."""
    named = [(f"{model}/{kind}", topic) for model in models_in(tables) for kind, topic in TOPICS.items()]
    for name, topic in [*named, (REJECTED_NAME, None)]:
        if (table := opened(tables / name)) is not None:
            yield OpenTable(name, topic, table)


def source_of(app: str) -> Source | None:
    """The topic partition that an app id is of; None if it is of something else."""
    topic, _, partition = app.rpartition("/")
    return (topic, int(partition)) if topic in TOPICS.values() else None
