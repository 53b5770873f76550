"""Is every message of a topic partition in the log, once? Answered from the Delta tables alone.

The offsets of one partition are spread over the tables of the models and the table of rejected messages; their union
must run without a gap, no row may be there twice, and each table's `txn` version must be its next offset.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from numpy.typing import NDArray
from pydantic import Field

from shared.events import LabelsReceived, Record
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import TableKind, app_id, gaps_path, rejected_path, table_path
from shared.kafka.admin import PREDICTIONS

TOPICS: dict[TableKind, str] = {
    "predictions": PREDICTIONS,
    "labels": LabelsReceived.topic,
    "business": LabelsReceived.topic,
}

Source = tuple[str, int]
Offsets = NDArray[np.int64]


class Gap(Record):
    """Offsets `first` to `last`, both included, that are in no table."""

    first: int
    last: int


class Lost(Record):
    """Offsets `first` to `last` that Kafka had deleted before they were read, and when that was found."""

    first: int
    last: int
    found: datetime


class PartitionReport(Record):
    """One topic partition. `messages` are distinct offsets, `rejected` those of them that could not be read,
    `lost` those that Kafka deleted before they were read, `repeats` rows that are there twice; `problems` says what
    else contradicts the tables' own bookkeeping.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    rows: int = Field(description="rows in the models' tables")
    messages: int
    rejected: int
    gaps: tuple[Gap, ...]
    lost: tuple[Lost, ...]
    repeats: int
    problems: tuple[str, ...]
    complete: bool


class Completeness(Record):
    """The whole log; `complete` if every partition is."""

    complete: bool
    partitions: tuple[PartitionReport, ...]


@dataclass(frozen=True)
class OpenTable:
    """A table at one version. `topic` is None for the table of rejected messages, which has many."""

    name: str
    topic: str | None
    table: DeltaTable


@dataclass(frozen=True)
class OpenLog:
    """The tables that take their rows from Kafka, and `_gaps`, if there is one."""

    tables: Sequence[OpenTable]
    gaps: DeltaTable | None

    @property
    def all(self) -> list[OpenTable]:
        """Every table that keeps next offsets."""
        return [*self.tables, *([OpenTable("_gaps", None, self.gaps)] if self.gaps else [])]

    def lost(self) -> dict[Source, tuple[Lost, ...]]:
        """What Kafka deleted before it was read, by topic partition."""
        found: dict[Source, tuple[Lost, ...]] = defaultdict(tuple)
        for row in self.gaps.to_pyarrow_table().sort_by("first").to_pylist() if self.gaps else []:
            found[row.pop("topic"), row.pop("partition")] += (Lost(**row),)
        return found


@dataclass(frozen=True)
class _Part:
    """What one table holds of one partition; `offsets` has each message once. By message: how many different rows of it
    there are, and the highest one's number. A message of labels may have rows in two tables of a model.
    """

    table: str
    offsets: Offsets
    distinct: Offsets
    highest: Offsets
    rows: int
    repeats: int
    next_offset: int | None
    rejected: bool

    @property
    def model(self) -> str:
        """Whose table it is."""
        return self.table.split("/", maxsplit=1)[0]


def open_log(tables: Path) -> OpenLog:
    """Every table at its newest version.

    A writer that is between the commits of one flush makes a false gap; so a running service calls this between them.
    """
    models = [path.name for path in sorted(tables.glob("[a-z]*")) if path.is_dir()]
    places = [(topic, table_path(tables, model, kind)) for model in models for kind, topic in TOPICS.items()]
    opened = [(topic, path, open_table(path)) for topic, path in [*places, (None, rejected_path(tables))]]
    found = [OpenTable(str(path.relative_to(tables)), topic, table) for topic, path, table in opened if table]
    return OpenLog(found, open_table(gaps_path(tables)))


def completeness(opened: OpenLog) -> Completeness:
    """The report on tables as `open_log` opened them."""
    parts: dict[Source, list[_Part]] = defaultdict(list)
    for table in opened.tables:
        for source, part in _parts(table):
            parts[source].append(part)
    lost = opened.lost()
    reports = tuple(_report(source, parts[source], lost[source]) for source in sorted(parts))
    return Completeness(complete=all(report.complete for report in reports), partitions=reports)


def _by_topic(opened: OpenTable) -> list[tuple[str, pa.Table]]:
    """The place in Kafka of each row: columns partition, offset and row (its number in its message)."""
    source = dataset(opened.table)
    if opened.topic is not None:
        rows = source.to_table(columns=["source_partition", "source_offset", "source_row"])
        return [(opened.topic, rows.rename_columns(["partition", "offset", "row"]))]
    rejected = source.to_table(columns=["topic", "partition", "offset"])
    each = rejected.append_column("row", pa.array(np.zeros(len(rejected), np.int32)))
    return [(topic, each.filter(ds.field("topic") == topic)) for topic in rejected.column("topic").unique().to_pylist()]


def _parts(opened: OpenTable) -> Iterator[tuple[Source, _Part]]:
    for topic, rows in _by_topic(opened):
        facts = [("row", "count"), ("row", "count_distinct"), ("row", "max")]
        messages = rows.group_by(["partition", "offset"]).aggregate(facts)
        partitions = messages.column("partition").to_numpy()
        for partition in np.unique(partitions).tolist():
            mine = messages.filter(pa.array(partitions == partition))
            yield (topic, partition), _part(opened, app_id(topic, partition), mine)


def _part(opened: OpenTable, app: str, messages: pa.Table) -> _Part:
    rows, distinct, highest = (messages.column(f"row_{fact}").to_numpy() for fact in ("count", "count_distinct", "max"))
    return _Part(
        table=opened.name,
        offsets=messages.column("offset").to_numpy(),
        distinct=distinct,
        highest=highest,
        rows=int(rows.sum()),
        repeats=int((rows - distinct).sum()),
        next_offset=opened.table.transaction_version(app),
        rejected=opened.topic is None,
    )


def _report(source: Source, parts: list[_Part], lost: tuple[Lost, ...]) -> PartitionReport:
    models = [_united(group) for group in _by_model(parts)]
    offsets, holders = np.unique(np.concatenate([model.offsets for model in models]), return_counts=True)
    gaps = tuple(_gaps(offsets))
    repeats = sum(part.repeats for part in parts) + int((holders - 1).sum()) + sum(model.repeats for model in models)
    problems = tuple(problem for part in parts for problem in _problems(part))
    problems += tuple(
        f"{model.name}: {model.holes} rows are missing inside messages" for model in models if model.holes
    )
    return PartitionReport(
        topic=source[0],
        partition=source[1],
        first_offset=int(offsets[0]),
        next_offset=max([part.next_offset or 0 for part in parts] + [span.last + 1 for span in lost]),
        rows=sum(part.rows for part in parts if not part.rejected),
        messages=len(offsets),
        rejected=sum(len(part.offsets) for part in parts if part.rejected),
        gaps=gaps,
        lost=lost,
        repeats=repeats,
        problems=problems,
        complete=not (gaps or lost or repeats or problems),
    )


@dataclass(frozen=True)
class _Model:
    """What a model's tables hold together of one partition: `repeats` are rows in two of them, `holes` rows in none."""

    name: str
    offsets: Offsets
    repeats: int
    holes: int


def _by_model(parts: list[_Part]) -> list[list[_Part]]:
    names = dict.fromkeys(part.model for part in parts)
    return [[part for part in parts if part.model == name] for name in names]


def _united(parts: list[_Part]) -> _Model:
    offsets, place = np.unique(np.concatenate([part.offsets for part in parts]), return_inverse=True)
    rows, highest = np.zeros_like(offsets), np.zeros_like(offsets)
    np.add.at(rows, place, np.concatenate([part.distinct for part in parts]))
    np.maximum.at(highest, place, np.concatenate([part.highest for part in parts]))
    missing = highest + 1 - rows
    tables = " and ".join(part.table for part in parts)
    return _Model(tables, offsets, repeats=-int(missing.clip(max=0).sum()), holes=int(missing.clip(min=0).sum()))


def _gaps(offsets: Offsets) -> Iterator[Gap]:
    """Between sorted, distinct offsets."""
    for position in np.flatnonzero(np.diff(offsets) > 1).tolist():
        yield Gap(first=int(offsets[position]) + 1, last=int(offsets[position + 1]) - 1)


def _problems(part: _Part) -> Iterator[str]:
    after = int(part.offsets.max()) + 1
    if part.next_offset != after:
        yield f"{part.table}: its next offset is {part.next_offset}, its rows end before {after}"
