"""Recomputing the hash chain from its beginning, and what its links say from the tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from shared.events import Record
from shared.feature_log.opened import OpenLog, Source
from shared.feature_log.proof.files import file_faults
from shared.feature_log.proof.links import MOST_ROWS, Link, Part, beginning, from_table, no_rows, parts_there
from shared.feature_log.proof.messages import Held
from shared.feature_log.proof.producers import Producers
from shared.feature_log.proof.reading import END, pieces, read_held
from shared.feature_log.proof.reports import Completeness, Fault
from shared.feature_log.proof.restated import Restated
from shared.feature_log.reading import dataset
from shared.feature_log.schema import PROOF_NAME


class Verified(Record):
    """`complete` if the report is, nothing is at fault, and no message that a producer has sent is missing. `links` are
    in the chain; `restated` of them hold other rows than were logged, `retired` fewer, and `emptied` of these none any
    more, which records account for: `restated_head` is the hash of the last (None: there is none), `seals_checked`, if
    the keys for that were at hand.
    """

    complete: bool
    links: int
    restated: int
    retired: int
    emptied: int
    restated_head: str | None
    seals_checked: bool
    faults: tuple[Fault, ...]
    report: Completeness


def verify(log: OpenLog, report: Completeness, heads: Sequence[str], restated: Restated) -> Verified:
    """Recompute all; of a damaged log what can be read, for the report names what can't. `report` is that on the log,
    `heads` are hashes of links, or of records in `restated`, that were kept elsewhere.
    """
    links = [] if log.proof is None else from_table(dataset(log.proof, log.lost_files(PROOF_NAME)).to_table())
    sources = {(link.topic, link.partition) for link in links} | {(of.topic, of.partition) for of in report.partitions}
    known = {link.hash for link in links} | {each.hash for each in restated.records}
    faults, seen = [*_unknown(heads, known), *map(Fault.nowhere, restated.faults()), *file_faults(log)], _Seen(restated)
    for source in sorted(sources):
        mine = [link for link in links if (link.topic, link.partition) == source]
        faults += _chain_faults(source, mine, log.proven(source))
        faults += _row_faults(log, source, mine, seen)
    exact = report.model_copy(update={"producers": seen.producers.reports()})
    missing = any(each.missing_messages or each.holes for each in exact.producers)
    return Verified(
        complete=report.complete and not (faults or missing),
        links=len(links),
        restated=seen.restated,
        retired=seen.retired,
        emptied=seen.emptied,
        restated_head=restated.head if restated.records else None,
        seals_checked=restated.secret is not None,
        faults=tuple(faults),
        report=exact,
    )


@dataclass
class _Seen:
    """What was found in rows that is no fault: lawful changes, by how many links they concern, and producers."""

    lawful: Restated
    producers: Producers = field(default_factory=Producers)
    restated: int = 0
    retired: int = 0
    emptied: int = 0

    def take(self, link: Link, tables: Sequence[Held], there: Mapping[str, Part]) -> None:
        """The rows of a link, which are as they may be."""
        changed = [part for part in link.parts if there[part.table] != part]
        if any(there[part.table].rows < part.rows for part in changed):
            self.retired += 1
            self.emptied += not any(part.rows for part in there.values())
            self.producers.add_retired(link.producers)
            return
        self.restated += bool(changed)
        self.producers.add(tables)


def _unknown(heads: Sequence[str], known: AbstractSet[str]) -> Iterator[Fault]:
    gone = [head for head in dict.fromkeys(heads) if head not in known]
    return (Fault.nowhere(f"no link has the hash {head}: the chain was cut off or made anew") for head in gone)


def _chain_faults(source: Source, links: Sequence[Link], proven: int) -> Iterator[Fault]:
    before, expected = beginning(*source), None
    for link in links:
        if link.hash != link.computed():
            yield _fault(link, "the link was changed: its hash is not that of what it says")
        if link.before != before:
            yield _fault(link, f"the link before it is gone or was changed: it follows on {link.before}, not {before}")
        if expected is not None and link.span.first < expected:
            yield _fault(link, f"its offsets up to {expected - 1} are in the link before, too")
        before, expected = link.hash, link.span.last + 1
    if proven != (expected or 0):
        what = f"links are gone: they end before offset {expected or 0}, the commits of the chain before {proven}"
        yield _on(source, None, expected or 0, proven - 1, what)


def _row_faults(log: OpenLog, source: Source, links: Sequence[Link], seen: _Seen) -> Iterator[Fault]:
    reached = 0
    for group in _groups(links):
        yield from _strangers(log, source, reached, group[0].span.first)
        tables = read_held(log, source, group[0].span.first, group[-1].span.last)
        for link, after in zip(group, [*group[1:], None], strict=True):
            yield from _link_faults(link, _between(tables, link.span.first, link.span.last), seen)
            if after is not None and after.span.first > link.span.last + 1:
                between = _between(tables, link.span.last + 1, after.span.first - 1)
                yield from _in_no_link(source, between)
                seen.producers.add(between)
        reached = max(reached, group[-1].span.last + 1)
    for newest in pieces(log, source, reached, END, counted=True):
        seen.producers.add(newest)


def _between(tables: Iterable[Held], first: int, last: int) -> list[Held]:
    return [held for held in (each.span(first, last) for each in tables) if len(held.rows)]


def _groups(links: Sequence[Link]) -> Iterator[list[Link]]:
    """Links that are recomputed together: as many as fit into memory."""
    group: list[Link] = []
    for link in links:
        if group and sum(each.span.rows for each in group) + link.span.rows > MOST_ROWS:
            yield group
            group = []
        group.append(link)
    if group:
        yield group


def _link_faults(link: Link, tables: Sequence[Held], seen: _Seen) -> Iterator[Fault]:
    said, found = ({part.table: part for part in parts} for parts in (link.parts, parts_there(link, tables)))
    there = {table: found.get(table, no_rows(table)) for table in sorted({*said, *found})}
    wrong = [table for table, part in there.items() if part not in _allowed(link, said.get(table), table, seen.lawful)]
    for table in wrong:
        yield _fault(link, _difference(table, said.get(table), there[table], _absent(link, tables)))
    if wrong:
        seen.producers.add(tables)
    else:
        seen.take(link, tables, there)


def _allowed(link: Link, said: Part | None, table: str, lawful: Restated) -> set[Part]:
    key = (link.topic, link.partition, link.span.first, table)
    return {said or no_rows(table), *lawful.parts.get(key, ())}


def _difference(table: str, said: Part | None, there: Part, absent: str) -> str:
    rows, held = said.rows if said else 0, there.rows
    if rows == held:
        return f"{table}: the values of its {rows} rows are not those that were logged"
    return f"{table}: {held} rows, {rows} were logged{absent}"


def _absent(link: Link, tables: Sequence[Held]) -> str:
    """Which offsets of a link no table has, in words."""
    there = np.zeros(0, np.int64)
    for each in tables:
        there = np.union1d(there, each.span(link.span.first, link.span.last).messages.column("offset").to_numpy())
    gone = np.setdiff1d(np.arange(link.span.first, link.span.last + 1), there)
    return f"; no table has offsets {gone[0]} to {gone[-1]} ({len(gone)} messages)" if len(gone) else ""


def _strangers(log: OpenLog, source: Source, first: int, stop: int) -> Iterator[Fault]:
    """Rows where the chain says that there are none."""
    for tables in pieces(log, source, first, stop, counted=True):
        yield from _in_no_link(source, tables)


def _in_no_link(source: Source, tables: Iterable[Held]) -> Iterator[Fault]:
    for each in tables:
        messages = each.messages
        name, hour = messages.column("table")[0].as_py(), messages.column("hour")[0].as_py()
        first, last = messages.column("offset")[0].as_py(), messages.column("offset")[-1].as_py()
        yield _on(source, hour, first, last, f"{name}: {len(each.rows)} rows that are in no link were added")


def _fault(link: Link, what: str) -> Fault:
    return _on((link.topic, link.partition), link.span.hour, link.span.first, link.span.last, what)


def _on(source: Source, hour: datetime | None, first: int, last: int, what: str) -> Fault:
    return Fault(topic=source[0], partition=source[1], hour=hour, first=first, last=last, what=what)
