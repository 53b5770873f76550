"""What producers said of their messages beside what was logged of them.

A producer numbers its messages of predictions from 0, and each says how many rows it has sent with it, so a hole in
the numbers tells what never came to Kafka. Its messages are spread over the partitions: all of them are judged as one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.events import Record
from shared.feature_log.proof.messages import Held

SENT = ("producer", "sequence", "rows_so_far")
Numbers = NDArray[np.int64]


class Sent(NamedTuple):
    """Messages of one producer: how many, their rows, the highest sequence number, and the rows it had sent by then."""

    producer: str
    messages: int
    rows: int
    last: int
    rows_so_far: int


class ProducerReport(Record):
    """One producer. `missing_messages` of `missing_rows` rows are not in the log, though later ones are: they are lost,
    or wait in its spool, or in a partition that is not read as far. `holes` says which, where all was read again.
    `repeated_messages` came twice, since a broker could not say that it had them.
    """

    producer: str
    messages: int
    rows: int
    last_sequence: int
    missing_messages: int
    missing_rows: int
    repeated_messages: int
    holes: tuple[str, ...] = ()


def sent(tables: Iterable[Held]) -> tuple[Sent, ...]:
    """The messages in these rows by producer, sorted by name."""
    return summed(
        Sent(producer, len(numbers), int(rows.sum()), int(numbers.max()), int(so_far.max()))
        for producer, numbers, so_far, rows in _told(tables)
    )


def summed(parts: Iterable[Sent]) -> tuple[Sent, ...]:
    """One for each producer."""
    found: dict[str, Sent] = {}
    for part in parts:
        known = found.get(part.producer, Sent(part.producer, 0, 0, -1, 0))
        most = max(known.last, part.last), max(known.rows_so_far, part.rows_so_far)
        found[part.producer] = Sent(part.producer, known.messages + part.messages, known.rows + part.rows, *most)
    return tuple(found[name] for name in sorted(found))


def report(of: Sent) -> ProducerReport:
    """By the sums alone: exact while no message came twice."""
    return ProducerReport(
        producer=of.producer,
        messages=of.messages,
        rows=of.rows,
        last_sequence=of.last,
        missing_messages=max(0, of.last + 1 - of.messages),
        missing_rows=max(0, of.rows_so_far - of.rows),
        repeated_messages=max(0, of.messages - of.last - 1),
    )


def _told(tables: Iterable[Held]) -> Iterator[tuple[str, Numbers, Numbers, Numbers]]:
    """Producer, and sequence number, rows so far and logged rows of each of its messages."""
    for each in tables:
        if not len(each.rows) or not {*SENT} <= {*each.rows.column_names}:
            continue
        heads = each.rows.select(SENT).take(pa.array(each.at[:-1]))
        heads = heads.append_column("rows", each.logged()).drop_null()
        names = heads.column("producer").to_numpy()
        sequence, so_far, rows = (heads.column(name).to_numpy() for name in ("sequence", "rows_so_far", "rows"))
        for producer in np.unique(names.astype(str)).tolist():
            mine = names == producer
            yield producer, sequence[mine], so_far[mine], rows[mine]


@dataclass
class _Runs:
    """Sequence numbers without a hole, `first` to `last`; rows that were sent before the first, and with the last."""

    first: Numbers
    last: Numbers
    before: Numbers
    after: Numbers

    def __add__(self, more: "_Runs") -> "_Runs":
        joined = [np.concatenate(pair) for pair in zip(vars(self).values(), vars(more).values(), strict=True)]
        order = np.argsort(joined[0], kind="stable")
        return _Runs(*(each[order] for each in joined))

    def merged(self) -> tuple["_Runs", Numbers]:
        """With the runs that follow on each other as one, and the numbers at which the running count does not fit."""
        reach = np.maximum.accumulate(self.last)
        follows = self.first[1:] == reach[:-1] + 1
        odd = self.first[1:][follows & (self.before[1:] != self.after[:-1])]
        starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(self.first[1:] > reach[:-1] + 1) + 1])
        ends = np.append(starts[1:], len(self.first)) - 1
        runs = _Runs(self.first[starts], reach[ends], self.before[starts], np.maximum.reduceat(self.after, starts))
        return runs, odd


@dataclass
class _Producer:
    runs: _Runs = field(default_factory=lambda: _Runs(*(np.zeros(0, np.int64) for _ in range(4))))
    odd: list[int] = field(default_factory=list)
    messages: int = 0
    rows: int = 0


class Producers:
    """Exact accounts of all producers; rows are given in any order, each once. Holes cost memory, messages do not."""

    def __init__(self) -> None:
        self._known: dict[str, _Producer] = {}

    def add(self, tables: Sequence[Held]) -> None:
        """Take the messages in these rows."""
        for producer, numbers, so_far, rows in _told(tables):
            known = self._known.setdefault(producer, _Producer())
            known.messages += len(numbers)
            known.rows += int(rows.sum())
            once, at = np.unique(numbers, return_index=True)
            known.runs, odd = (known.runs + _Runs(once, once, (so_far - rows)[at], so_far[at])).merged()
            known.odd += odd.tolist()

    def reports(self) -> tuple[ProducerReport, ...]:
        """One for each, by name."""
        return tuple(_exact(name, self._known[name]) for name in sorted(self._known))


def _exact(name: str, of: _Producer) -> ProducerReport:
    holes, runs = list(_holes(of.runs)), of.runs
    numbers = int((runs.last - runs.first + 1).sum())
    odd = (
        f"message {number}: its running count of rows does not follow on that of the one before" for number in of.odd
    )
    return ProducerReport(
        producer=name,
        messages=of.messages,
        rows=of.rows,
        last_sequence=int(runs.last[-1]),
        missing_messages=sum(last - first + 1 for first, last, _ in holes),
        missing_rows=sum(rows for *_, rows in holes),
        repeated_messages=of.messages - numbers,
        holes=(*(f"messages {first} to {last} with {rows} rows" for first, last, rows in holes), *odd),
    )


def _holes(runs: _Runs) -> Iterator[tuple[int, int, int]]:
    """First and last missing number, and the rows in between."""
    ends = zip([-1, *runs.last.tolist()], [0, *runs.after.tolist()], strict=True)
    begins = zip(runs.first.tolist(), runs.before.tolist(), strict=True)
    for (last, after), (first, before) in zip(ends, begins, strict=False):
        if first > last + 1:
            yield last + 1, first - 1, before - after
