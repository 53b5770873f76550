"""What the links of the hash chain hold of a table when the rows of a day are gone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from services.feature_logging.store.restating import Book
from shared.feature_log.opened import OpenLog, OpenTable
from shared.feature_log.proof.links import MOST_ROWS, Link, Part, from_table, no_rows, parts_there
from shared.feature_log.proof.messages import Held, held
from shared.feature_log.proof.reading import read_held
from shared.feature_log.proof.restated import PartKey
from shared.feature_log.reading import dataset
from shared.feature_log.retired import reason, retired_days
from shared.feature_log.schema import PARTITION

PLACE = ["source_partition", "source_offset"]


class Known(NamedTuple):
    """What parts of links may be, and how many rows those count of which some were retired."""

    parts: Mapping[PartKey, Collection[Part]]
    rows: Mapping[PartKey, int]


@dataclass(frozen=True)
class ChainOf:
    """The hash chain over the rows of one table (`model/kind`) of a topic, both opened, the chain first; `offsets`: the
    least and the greatest of the rows that are to go.
    """

    proof: DeltaTable
    name: str
    topic: str
    table: DeltaTable
    offsets: tuple[int, int]

    def without(self, book: Book, day: date, going: ds.Expression) -> tuple[list[tuple[Link, Part]], int]:
        """What its links hold without the rows of a day, which are `going`, as it is to be written down; and how many
        rows they count less than until now. Links that do not hold are left out: they stay at fault.
        """
        known, parts, counted = self._known(book), list[tuple[Link, Part]](), 0
        log = OpenLog([OpenTable(self.name, self.topic, self.table)], None, None)
        for group in self._concerned(going):
            source = (self.topic, group[0].partition)
            for rows in read_held(log, source, group[0].span.first, group[-1].span.last):
                for link in group:
                    part, less = self._left(link, rows, day, known)
                    parts += [(link, part)] if part else []
                    counted += less
        return parts, counted

    def _known(self, book: Book) -> Known:
        done = retired_days(book.tables, {self.name: self.table}).get(self.name, ())
        written = book.read()
        return Known(written.parts, written.rows_by({reason(record.number) for record in done}))

    def _left(self, link: Link, rows: Held, day: date, known: Known) -> tuple[Part | None, int]:
        """What is to be written down of a link, if anything, and how many rows it counts less then."""
        now = rows.span(link.span.first, link.span.last)
        rest = held(self.name, now.rows.filter(ds.field(PARTITION) != pa.scalar(day, pa.date32())))
        before, after = self._part(link, now), self._part(link, rest)
        said, key = (
            next((part for part in link.parts if part.table == self.name), no_rows(self.name)),
            (link.topic, link.partition, link.span.first, self.name),
        )
        if not {before, after} & {said, *known.parts.get(key, ())}:
            return None, len(now.rows) - len(rest.rows)
        # Not what is there: rows that went before may have come again, when the table was mended.
        return after, known.rows.get(key, said.rows) - after.rows

    def _part(self, link: Link, rows: Held) -> Part:
        return next(iter(parts_there(link, [rows])), no_rows(self.name))

    def _concerned(self, going: ds.Expression) -> Iterator[list[Link]]:
        """The links that hold such rows, those that follow on each other together while they fit into memory."""
        partitions = _by_partition(self._links())
        touched = {partition: np.zeros(len(links), np.bool_) for partition, links in partitions.items()}
        firsts = {partition: [link.span.first for link in links] for partition, links in partitions.items()}
        for batch in dataset(self.table).scanner(columns=PLACE, filter=going).to_batches():
            partition, offset = (batch.column(name).to_numpy() for name in PLACE)
            for number in set(partition.tolist()) & {*touched}:
                at = np.searchsorted(firsts[number], offset[partition == number], "right") - 1
                touched[number][at[at >= 0]] = True
        for number, links in partitions.items():
            yield from _groups(links, np.flatnonzero(touched[number]).tolist())

    def _links(self) -> list[Link]:
        """Those that may hold such rows."""
        first, last = self.offsets
        chosen = (ds.field("topic") == self.topic) & (ds.field("last") >= first) & (ds.field("first") <= last)
        return from_table(dataset(self.proof).to_table(filter=chosen))


def _by_partition(links: Sequence[Link]) -> Mapping[int, list[Link]]:
    found: dict[int, list[Link]] = {}
    for link in links:
        found.setdefault(link.partition, []).append(link)
    return found


def _groups(links: Sequence[Link], chosen: Sequence[int]) -> Iterator[list[Link]]:
    group: list[Link] = []
    for before, at in pairwise([-1, *chosen]):
        rows = sum(link.span.rows for link in group) + links[at].span.rows
        if group and (at != before + 1 or rows > MOST_ROWS):
            yield group
            group = []
        group.append(links[at])
    if group:
        yield group
