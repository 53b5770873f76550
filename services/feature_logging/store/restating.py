"""The hash chain where rows are changed lawfully: what the parts of its links are from then on.

It is written down before the rows are changed, and only of links that held: whatever else was done to their rows stays
a fault.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from services.feature_logging.store.compactor import tidy
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.rewriting import Change, Find, found_rows, persistently
from services.feature_logging.store.table import LogTable
from shared.feature_log.opened import TOPICS, OpenLog, OpenTable
from shared.feature_log.proof.links import Link, Part, from_table, parts_there
from shared.feature_log.proof.messages import Held, held
from shared.feature_log.proof.reading import read_held
from shared.feature_log.proof.restated import APP_ID, SCHEMA, Restated, Restatement, restated, restated_path
from shared.feature_log.reading import open_table, read_table
from shared.feature_log.schema import proof_path

_PLACE = ("source_partition", "source_offset")
Places = set[tuple[int, int]]


class Restating:
    """Of the rows of one table (`model/kind`) that `find` tells by `columns`; `record` says why they are changed."""

    def __init__(self, book: "Book", name: str, record: str, columns: Iterable[str], find: Find) -> None:
        self._book = book
        self._tables = book.tables
        self._name = name
        self._record = record
        self._topic = TOPICS.get(name.rpartition("/")[2])  # type: ignore[call-overload]  # any name
        self._find = find
        self._places = set(self._found(tuple(columns)))
        self._seen: set[tuple[int, int]] = set()

    def before(self, change: Change) -> None:
        """Write down what the links' parts will be; again where the rows were changed by others meanwhile."""
        self._seen.clear()
        self._write(lambda rows: change(rows, self._find(rows)), sound=True)

    def after(self) -> None:
        """The rows are changed: write down the parts of links that were made meanwhile, which may be of either."""
        self._write(lambda rows: rows, sound=False)

    def _write(self, change: Callable[[pa.Table], pa.Table], *, sound: bool) -> None:
        self._book.write(self._record, list(self._parts(change, sound=sound)))

    def _parts(self, change: Callable[[pa.Table], pa.Table], *, sound: bool) -> Iterator[tuple[Link, Part]]:
        lawful = self._book.read().parts
        for link in self._links():
            self._seen.add((link.partition, link.span.first))
            now = self._held(link)
            key = (link.topic, link.partition, link.span.first, self._name)
            said = {part for part in link.parts if part.table == self._name} | {*lawful.get(key, ())}
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
        table = OpenTable(self._name, self._topic, read_table(self._tables / self._name))
        found = read_held(OpenLog([table], None, None), (link.topic, link.partition), link.span.first, link.span.last)
        return found[0] if found else None

    def _part(self, link: Link, rows: Held) -> Part | None:
        return next(iter(parts_there(link, [rows])), None)

    def _found(self, columns: tuple[str, ...]) -> Iterator[tuple[int, int]]:
        """The place of each message that has such rows."""
        if self._topic:
            for rows in found_rows(self._tables / self._name, columns, self._find, _PLACE):
                yield from zip(*(column.to_pylist() for column in rows.columns), strict=True)


class Book:
    """Where it is written down, sealed with the keys' secret."""

    def __init__(self, tables: Path, keys: KeyStore) -> None:
        self.tables = tables
        self._keys = keys

    def read(self) -> Restated:
        """All that is written there."""
        return restated(self.tables, self._keys.secret)

    def write(self, record: str, parts: Sequence[tuple[Link, Part]]) -> None:
        """These parts of links will be so; `record` says why."""
        if parts:
            persistently(partial(self._write, record, parts))

    def _write(self, record: str, parts: Sequence[tuple[Link, Part]]) -> None:
        table = LogTable(Place(restated_path(self.tables), SCHEMA))
        known, rows = restated(self.tables), list[Restatement]()
        before = known.head
        for number, (link, part) in enumerate(parts, known.count):
            where = link.topic, link.partition, link.span.first, part.table
            row = Restatement(record, number, *where, part.rows, part.content, before).sealed(self._keys.secret)
            rows.append(row)
            before = row.hash
        pending = Pending(SCHEMA, mark=table.mark)
        made = pa.Table.from_pylist([row._asdict() for row in rows], schema=SCHEMA)
        pending.add(made, APP_ID, judged=known.count, version=known.count + len(rows))
        table.commit(pending)
        tidy(table)
