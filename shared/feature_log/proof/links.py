"""The hash chain over the rows of a topic partition.

A unit is a span with a digest of each table's rows in it. A link holds units of one hour that follow on each other; its
`content` hashes their digests, table by table, and its `hash` hashes the link and the hash of the link before it. So
each link proves all before it, and whoever keeps the newest hash can tell if any was changed or cut off.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from shared.feature_log.proof.messages import Held
from shared.feature_log.proof.producers import Sent, sent, summed
from shared.feature_log.proof.spans import Span, joined, spans
from shared.feature_log.schema import PROOF

# About so many rows are in a unit or a link at most: what is recomputed at once must fit into memory.
MOST_ROWS = 200_000


@dataclass(frozen=True)
class Part:
    """What a link holds of one table: `content` is the sha256 of the digests of its units, one after the other."""

    table: str
    rows: int
    content: str


@dataclass(frozen=True)
class Unit:
    """A span, by table how many rows of it there are and their digest, and what producers said of its messages."""

    span: Span
    tables: dict[str, tuple[int, bytes]]
    producers: tuple[Sent, ...]


@dataclass(frozen=True)
class Link:
    """A row of the table `_proof`. `cuts` are the first offsets of its units."""

    topic: str
    partition: int
    span: Span
    cuts: tuple[int, ...]
    parts: tuple[Part, ...]
    producers: tuple[Sent, ...]
    before: str
    hash: str = ""

    def computed(self) -> str:
        """What `hash` must be."""
        hour, *numbers = self.span
        told = [self.topic, self.partition, int(hour.timestamp()), *numbers, " ".join(map(str, self.cuts))]
        told += [content(self.parts), *(" ".join(map(str, each)) for each in self.producers), self.before]
        return hashlib.sha256("\n".join(["driftline link 1", *map(str, told)]).encode()).hexdigest()


def content(parts: Iterable[Part]) -> str:
    """One hash over the parts of a link."""
    lines = sorted(f"{part.content} {part.rows} {part.table}\n" for part in parts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def beginning(topic: str, partition: int) -> str:
    """What the first link of a partition follows on."""
    return hashlib.sha256(f"driftline log 1\n{topic}\n{partition}".encode()).hexdigest()


def units(partition: int, tables: Iterable[Held]) -> list[Unit]:
    """The units of one partition's rows, given by table."""
    mine = [held for held in (held.of(partition) for held in tables) if len(held.rows)]
    if not mine:
        return []
    return [unit(span, mine) for span in spans(pa.concat_tables([held.messages for held in mine]), MOST_ROWS)]


def unit(span: Span, tables: Iterable[Held]) -> Unit:
    """A span with the digests of the rows in it."""
    held = [each.span(span.first, span.last) for each in tables]
    return Unit(span, parts_between(span.first, span.last, held), sent(held))


def parts_between(first: int, last: int, tables: Iterable[Held]) -> dict[str, tuple[int, bytes]]:
    """Rows and digest of each table that has rows of these offsets of one partition."""
    found: dict[str, tuple[int, bytes]] = {}
    for whole in tables:
        held = whole.span(first, last)
        if len(held.rows):
            found[held.messages.column("table")[0].as_py()] = len(held.rows), held.digest()
    return found


def parts_of(tables: Sequence[dict[str, tuple[int, bytes]]]) -> tuple[Part, ...]:
    """The parts of a link whose units hold this."""
    names = sorted({name for unit in tables for name in unit})
    return tuple(_part(name, [unit[name] for unit in tables if name in unit]) for name in names)


def _part(name: str, held: list[tuple[int, bytes]]) -> Part:
    digest = hashlib.sha256(b"".join(digest for _, digest in held)).hexdigest()
    return Part(name, sum(rows for rows, _ in held), digest)


def parts_there(link: Link, tables: Sequence[Held]) -> tuple[Part, ...]:
    """What the parts of a link would be by these rows of its offsets, given by table."""
    ends = [*(cut - 1 for cut in link.cuts[1:]), link.span.last]
    return parts_of([parts_between(*unit, tables) for unit in zip(link.cuts, ends, strict=True)])


def no_rows(table: str) -> Part:
    """The part of a link that holds none of a table any more."""
    return _part(table, [])


def chain(topic: str, partition: int, before: str, found: Sequence[Unit]) -> Iterator[Link]:
    """The links that hold these units, one on the other."""
    group: list[Unit] = []
    for each in [*found, None]:
        if group and (each is None or not _together(group, each)):
            link = _link(topic, partition, before, group)
            yield link
            before, group = link.hash, []
        if each is not None:
            group.append(each)


def _together(group: list[Unit], more: Unit) -> bool:
    rows = sum(each.span.rows for each in group) + more.span.rows
    last = group[-1].span
    return more.span.hour == last.hour and more.span.first == last.last + 1 and rows <= MOST_ROWS


def _link(topic: str, partition: int, before: str, group: list[Unit]) -> Link:
    cuts = tuple(each.span.first for each in group)
    parts = parts_of([each.tables for each in group])
    producers = summed(told for each in group for told in each.producers)
    link = Link(topic, partition, joined([each.span for each in group]), cuts, parts, producers, before)
    return replace(link, hash=link.computed())


def to_table(links: Sequence[Link]) -> pa.Table:
    """As rows of `_proof`."""
    return pa.Table.from_pylist([_row(link) for link in links], schema=PROOF)


def _row(link: Link) -> dict[str, Any]:
    row = vars(link) | link.span._asdict()
    lists = {"parts": [vars(part) for part in link.parts], "producers": [each._asdict() for each in link.producers]}
    return row | {"cuts": list(link.cuts)} | lists


def from_table(rows: pa.Table) -> list[Link]:
    """The links of rows of `_proof`, in the order of their offsets."""
    found = rows.select(PROOF.names).sort_by([(name, "ascending") for name in ("topic", "partition", "first", "last")])
    return [_read(row) for row in found.to_pylist()]


def _read(row: dict[str, Any]) -> Link:
    span = Span(*(row[name] for name in Span._fields))
    parts = tuple(Part(**part) for part in row["parts"] or ())
    producers = tuple(Sent(**each) for each in row["producers"] or ())
    return Link(
        row["topic"], row["partition"], span, tuple(row["cuts"] or ()), parts, producers, row["before"], row["hash"]
    )
