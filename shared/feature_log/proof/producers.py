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


_NONE = Sent("", 0, 0, -1, 0)


@dataclass
class _Producer:
    runs: _Runs = field(default_factory=lambda: _Runs(*(np.zeros(0, np.int64) for _ in range(4))))
    odd: list[int] = field(default_factory=list)
    messages: int = 0
    rows: int = 0
    retired: Sent = _NONE


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

    def add_retired(self, parts: Iterable[Sent]) -> None:
        """Messages that are not all there any more, since rows were retired: these are their sums."""
        for part in parts:
            known = self._known.setdefault(part.producer, _Producer())
            (known.retired,) = summed([known.retired._replace(producer=part.producer), part])

    def reports(self) -> tuple[ProducerReport, ...]:
        """One for each, by name."""
        return tuple(_exact(name, self._known[name]) for name in sorted(self._known))


def _exact(name: str, of: _Producer) -> ProducerReport:
    """Of retired messages it is not known any more which they were, but how many: as many holes are none."""
    holes, runs, gone = list(_holes(of)), of.runs, of.retired
    numbers = int((runs.last - runs.first + 1).sum())
    missing = sum(last - first + 1 for first, last, _ in holes) - gone.messages
    missing_rows = max(0, sum(rows for *_, rows in holes) - gone.rows)
    odd = (
        f"message {number}: its running count of rows does not follow on that of the one before" for number in of.odd
    )
    said = (f"messages {first} to {last} with {rows} rows" for first, last, rows in holes)
    retired = f", of which {gone.messages} messages with {gone.rows} rows may have been retired"
    found = [each + retired * bool(gone.messages) for each in said] if missing > 0 or missing_rows else []
    return ProducerReport(
        producer=name,
        messages=of.messages + gone.messages,
        rows=of.rows + gone.rows,
        last_sequence=max([gone.last, *runs.last.tolist()]),
        missing_messages=max(0, missing),
        missing_rows=missing_rows,
        repeated_messages=of.messages - numbers + max(0, -missing),
        holes=(*found, *odd),
    )


def _holes(of: _Producer) -> Iterator[tuple[int, int, int]]:
    """First and last number that is not there, up to the highest that was, and the rows in between."""
    last, first = [-1, *of.runs.last.tolist()], [*of.runs.first.tolist(), of.retired.last + 1]
    after, before = [0, *of.runs.after.tolist()], [*of.runs.before.tolist(), of.retired.rows_so_far]
    for end, start, rows, sent in zip(last, first, after, before, strict=True):
        if start > end + 1:
            yield end + 1, start - 1, sent - rows
