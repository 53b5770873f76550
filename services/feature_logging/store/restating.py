"""The hash chain where rows are changed lawfully: what the parts of its links are from then on.

It is written down before the rows are changed, and only of links that held: whatever else was done to their rows stays
a fault.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from services.feature_logging.store.rewriting import Change, Find, found_rows, persistently
from services.feature_logging.store.table import LogTable, Place
from shared.feature_log.forgotten import RESTATED, restated, restated_path
from shared.feature_log.opened import TOPICS, OpenLog, OpenTable
from shared.feature_log.proof.links import Link, Part, from_table, parts_between, parts_of
from shared.feature_log.proof.messages import Held, held
from shared.feature_log.proof.reading import read_held
from shared.feature_log.reading import open_table
from shared.feature_log.schema import proof_path

_APP = "driftline/restated"
_PLACE = ("source_partition", "source_offset")
Places = set[tuple[int, int]]


class Restating:
    """Of the rows of one table (`model/kind`) that `find` tells by `columns`; `record` says why they are changed."""

    def __init__(self, tables: Path, name: str, record: str, columns: Iterable[str], find: Find) -> None:
        self._tables = tables
        self._name = name
        self._record = record
        self._topic = TOPICS.get(name.rpartition("/")[2])  # type: ignore[call-overload]  # any name
        self._find = find
        self._places = set(self._found(tuple(columns)))
        self._seen: set[tuple[int, int]] = set()

    def before(self, change: Change) -> None:
        """Write down what the links' parts will be."""
        self._write(lambda rows: change(rows, self._find(rows)), sound=True)

    def after(self) -> None:
        """The rows are changed: write down the parts of links that were made meanwhile, which may be of either."""
        self._write(lambda rows: rows, sound=False)

    def _write(self, change: Callable[[pa.Table], pa.Table], *, sound: bool) -> None:
        rows = [self._row(link, part) for link, part in self._parts(change, sound=sound)]
        if rows:
            persistently(partial(self._add, pa.Table.from_pylist(rows, schema=RESTATED)))

    def _parts(self, change: Callable[[pa.Table], pa.Table], *, sound: bool) -> Iterator[tuple[Link, Part]]:
        lawful = restated(self._tables)
        for link in self._links():
            self._seen.add((link.partition, link.span.first))
            now = self._held(link)
            key = (link.topic, link.partition, link.span.first, self._name)
            said = {part for part in link.parts if part.table == self._name} | {lawful.get(key)}
            if now is not None and (not sound or self._part(link, now) in said):
                part = self._part(link, held(self._name, change(now.rows)))
                if part is not None:
                    yield link, part

    def _links(self) -> list[Link]:
        """Those that hold such rows and were not looked at yet."""
        proof = open_table(proof_path(self._tables)) if self._places and self._topic else None
        links = [] if proof is None else from_table(proof.to_pyarrow_table())
        return [link for link in links if link.topic == self._topic and self._concerns(link)]

    def _concerns(self, link: Link) -> bool:
        new = (link.partition, link.span.first) not in self._seen
        offsets = range(link.span.first, link.span.last + 1)
        return new and any(partition == link.partition and offset in offsets for partition, offset in self._places)

    def _held(self, link: Link) -> Held | None:
        table = OpenTable(self._name, self._topic, DeltaTable(self._tables / self._name))
        found = read_held(OpenLog([table], None, None), (link.topic, link.partition), link.span.first, link.span.last)
        return found[0] if found else None

    def _part(self, link: Link, rows: Held) -> Part | None:
        ends = [*(cut - 1 for cut in link.cuts[1:]), link.span.last]
        return next(iter(parts_of([parts_between(*unit, [rows]) for unit in zip(link.cuts, ends, strict=True)])), None)

    def _found(self, columns: tuple[str, ...]) -> Iterator[tuple[int, int]]:
        """The place of each message that has such rows."""
        if self._topic:
            for rows in found_rows(self._tables / self._name, columns, self._find, _PLACE):
                yield from zip(*(column.to_pylist() for column in rows.columns), strict=True)

    def _row(self, link: Link, part: Part) -> dict[str, object]:
        where = {"topic": link.topic, "partition": link.partition, "first": link.span.first}
        return {"record": self._record} | where | vars(part)

    def _add(self, rows: pa.Table) -> None:
        table = LogTable(Place(restated_path(self._tables), RESTATED))
        number = pa.repeat(pa.scalar(table.version_of(_APP) + 1, pa.int64()), len(rows))
        table.append(rows.set_column(rows.schema.get_field_index("number"), RESTATED.field("number"), number), _APP)
