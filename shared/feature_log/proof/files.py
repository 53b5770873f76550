"""Each live data file held against what the Delta log says of it, and its rows against what was read from Kafka.

Readers leave a file out by its statistics, and so does all else of the proof: only here every file is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from shared.feature_log.opened import OpenLog, OpenTable
from shared.feature_log.proof.reports import Fault
from shared.feature_log.reading import dataset, live_files
from shared.feature_log.schema import PARTITION, REJECTED_NAME

Place = tuple[int | None, int | None]


def file_faults(log: OpenLog) -> Iterator[Fault]:
    """Files whose statistics do not fit their rows, and rows of no offset that was read; lost files are left out."""
    for each in (*log.tables, *log.others()):
        counts = {file["path"]: file.get("num_records") for file in live_files(each.table).to_pylist()}
        whole, read = dataset(each.table, log.lost_files(each.name)), _read_places(log, each)
        for part in whole.get_fragments():
            yield from _faults(each, part.path, counts.get(part.path), _counted(whole, part, each, read))


@dataclass
class _Counts:
    """Rows of a file: all, those that its statistics leave to readers, and those whose place was read from Kafka."""

    rows: int = 0
    told: int = 0
    placed: int = 0
    astray: Place | None = None  # the place of the first that has none

    def take(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch with the columns that `_counted` asks for."""
        told, placed = (batch.column(name).fill_null(False) for name in ("told", "placed"))
        self.rows += len(batch)
        self.told += told.true_count
        self.placed += placed.true_count
        if self.astray is None and placed.true_count < len(batch):
            at = pc.call_function("index", [placed], pc.IndexOptions(pa.scalar(False))).as_py()
            self.astray = batch.column("partition")[at].as_py(), batch.column("offset")[at].as_py()


def _counted(whole: ds.Dataset, part: ds.Fragment, table: OpenTable, read: ds.Expression) -> _Counts:
    """Without what the log says of the file but its day, since by that the scan itself would leave rows out."""
    keys = ds.get_partition_keys(part.partition_expression)
    day = ds.scalar(True)
    if PARTITION in whole.schema.names:
        day = ds.field(PARTITION) == pa.scalar(keys.get(PARTITION), whole.schema.field(PARTITION).type)
    bare = whole.format.make_fragment(part.path, whole.filesystem, partition_expression=day)
    place = zip(("partition", "offset"), map(ds.field, _place_of(table)), strict=False)
    columns = {"told": part.partition_expression, "placed": read, **dict(place)}
    found = _Counts()
    for batch in bare.scanner(schema=whole.schema, columns=columns, batch_readahead=1).to_batches():
        found.take(batch)
    return found


def _place_of(table: OpenTable) -> tuple[str, ...]:
    """The columns of a row's place in Kafka: none in a table that no topic is read into."""
    if table.topic:
        return "source_partition", "source_offset", "source_row"
    return ("partition", "offset") if table.name == REJECTED_NAME else ()


def _read_places(log: OpenLog, table: OpenTable) -> ds.Expression:
    """Whether a row is of an offset that commits say was read from Kafka; of a damaged log they are not all known."""
    place = [ds.field(name) for name in _place_of(table)]
    found = reduce(and_, [number >= 0 for number in place], ds.scalar(True))
    if log.damage or not place:
        return found
    partition, offset, *_ = place
    places = [
        (partition == source[1]) & (offset < log.next_offset(source)) & _of_topic(table, source[0])
        for source in sorted(log.sources)
        if table.topic in (None, source[0])
    ]
    return found & reduce(or_, places, ds.scalar(False))


def _of_topic(table: OpenTable, topic: str) -> ds.Expression:
    return ds.scalar(True) if table.topic else ds.field("topic") == topic


def _faults(table: OpenTable, path: str, said: int | None, found: _Counts) -> Iterator[Fault]:
    file = f"{table.name}: data file {path}"
    if said is not None and said != found.rows:
        yield Fault.nowhere(f"{file} has {found.rows} rows, its statistics say {said}")
    if found.told < found.rows:
        hidden = found.rows - found.told
        yield Fault.nowhere(
            f"{file}: its statistics lie, by which readers do not find {hidden} of its {found.rows} rows"
        )
    if found.astray:
        partition, offset = ("null" if each is None else each for each in found.astray)
        first = f"the first of partition {partition}, offset {offset}"
        yield Fault.nowhere(f"{file} has {found.rows - found.placed} rows that were not read from Kafka, {first}")
