"""What waits to be published: a bounded queue in memory, then the spool on disk; every row of it is counted."""

import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from prometheus_client import Counter, Gauge
from structlog import get_logger

from shared.kafka.spool import Spool

log = get_logger()

ROWS = Counter("driftline_publisher_rows_total", "Rows, by what became of them", ["topic", "outcome"])
MESSAGES = Counter("driftline_publisher_messages_total", "Messages, by what became of them", ["topic", "outcome"])
WAITING = Gauge("driftline_publisher_waiting_rows", "Rows not yet acknowledged", ["topic", "where"])

# Kafka's default limit of a message is 1,048,588 bytes with its overhead.
MAX_VALUE = 1_000_000
# What is taken at once must fit into one batch of the producer, with the overhead of each record.
TAKE_BYTES = 800_000
TAKE_MESSAGES = 1_000
MOST_SPOOLED = 4 * 2**30
_DISK_PAUSE = 1.0  # seconds after which a full disk is tried again
_MOST_UNWRITTEN = 64  # messages that wait for room on disk

Outcome = Literal["enqueued", "recovered", "spooled", "acknowledged", "dropped"]


# Told once whether a message is safe, True, or dropped.
Settled = Callable[[bool], None]


class Waiting(NamedTuple):
    """A message in memory; `number` grows in the order of arrival, `end` is its place in the spool if it is there."""

    number: int
    value: bytes
    rows: int
    end: int | None
    settled: Settled | None = None


class Unwritten(NamedTuple):
    """A message that the disk had no room for, and that nobody waits for."""

    value: bytes
    rows: int


class Backlog:
    """First in, first out. `bound` in bytes of values held in memory, those out for delivery included; `spool_bound` in
    bytes of the spool, beyond which `full` says so: more is still taken.

    `rows` and `messages` count by outcome; at any time enqueued + recovered = acknowledged + dropped + those in
    memory + those in the spool (`spooled` tells how many went through it).
    """

    def __init__(self, topic: str, spool: Spool, bound: int, spool_bound: int = MOST_SPOOLED) -> None:
        self.rows: Tally[Outcome] = Tally()
        self.messages: Tally[Outcome] = Tally()
        self._topic = topic
        self._spool = spool
        self._bound = bound
        self._spool_bound = spool_bound
        self._disk_full_until = 0.0
        self._unwritten: deque[Unwritten] = deque()
        self._queue: deque[Waiting] = deque()
        self._out: dict[int, Waiting] = {}
        self._spooled_out: deque[int] = deque()
        self._spooled_done: set[int] = set()
        self._bytes = 0
        self._number = 0
        self._count("recovered", spool.unread_rows, spool.unread)
        WAITING.labels(topic, "memory").set_function(lambda: self.memory_rows)
        WAITING.labels(topic, "spool").set_function(lambda: self.spool_rows)

    @property
    def memory_rows(self) -> int:
        """Rows in the queue, out for delivery, or waiting for room on disk."""
        held = sum(message.rows for message in (*self._queue, *self._out.values()))
        return held + sum(message.rows for message in self._unwritten)

    @property
    def spool_rows(self) -> int:
        """Rows in the spool that are not in memory as well."""
        return self._spool.unread_rows

    @property
    def full(self) -> bool:
        """There is no room left on disk; a disk that was full is tried again each second."""
        self._write()
        return bool(self._unwritten) or self._spool.size >= self._spool_bound or self._disk_rests

    @property
    def _disk_rests(self) -> bool:
        return time.monotonic() < self._disk_full_until

    @property
    def empty(self) -> bool:
        """Nothing waits and nothing is out."""
        return not (self._queue or self._out or self._spool.unread or self._unwritten)

    def _count(self, outcome: Outcome, rows: int, messages: int = 1) -> None:
        self.rows[outcome] += rows
        self.messages[outcome] += messages
        ROWS.labels(self._topic, outcome).inc(rows)
        MESSAGES.labels(self._topic, outcome).inc(messages)

    def put(self, value: bytes, rows: int, settled: Settled | None = None) -> None:
        """Add a message at the end: to the queue, or to the spool if that is in use or the queue is full.

        What no broker would take (over 1 MB) is dropped, counted and logged. What the disk has no room for waits for
        it, up to a bound, unless somebody is to be told now: then it is dropped, too.
        Safe, for `settled`, is what is acknowledged or synced on disk.
        """
        self._count("enqueued", rows)
        if len(value) > MAX_VALUE:
            self._drop(rows, f"the message has {len(value)} bytes, at most {MAX_VALUE} are possible")
            _tell(settled, safe=False)
        elif not (self._spool.unread or self._unwritten) and self._bytes + len(value) <= self._bound:
            self._hold(value, rows, None, settled)
        elif settled is not None:
            self._to_spool(value, rows, settled)
        elif len(self._unwritten) < _MOST_UNWRITTEN:
            self._unwritten.append(Unwritten(value, rows))
            self._write()
        else:
            self._drop(rows, "there is no room on disk")

    def _to_spool(self, value: bytes, rows: int, settled: Settled) -> None:
        if not self._append(value, rows):
            self._drop(rows, "the spool can't be written")
            _tell(settled, safe=False)
            return
        try:
            self._spool.sync()
        except OSError as error:  # it will be published, but that can't be promised
            log.warning("the spool can't be synced", topic=self._topic, why=str(error))
            _tell(settled, safe=False)
        else:
            _tell(settled, safe=True)

    def _write(self) -> None:
        """What waits for room on disk, as far as there is some."""
        while self._unwritten and not self._disk_rests and self._append(*self._unwritten[0]):
            self._unwritten.popleft()

    def _append(self, value: bytes, rows: int) -> bool:
        try:
            self._spool.append(value, rows)
        except OSError as error:
            self._disk_full_until = time.monotonic() + _DISK_PAUSE
            log.error("the spool can't be written", topic=self._topic, why=str(error))  # noqa: TRY400  # nobody's bug
            return False
        self._count("spooled", rows)
        return True

    def _hold(self, value: bytes, rows: int, end: int | None, settled: Settled | None = None) -> None:
        self._queue.append(Waiting(self._number, value, rows, end, settled))
        self._number += 1
        self._bytes += len(value)

    def _drop(self, rows: int, reason: str) -> None:
        self._count("dropped", rows)
        log.error("predictions dropped", topic=self._topic, rows=rows, reason=reason)

    def take(self) -> list[Waiting]:
        """The next messages that fit into a batch, at least one if any waits; they stay counted until settled."""
        taken: list[Waiting] = []
        size = 0
        while len(taken) < TAKE_MESSAGES and self._fill():
            size += len(self._queue[0].value)
            if taken and size > TAKE_BYTES:
                break
            message = self._queue.popleft()
            self._out[message.number] = message
            taken.append(message)
        return taken

    def _fill(self) -> bool:
        """Whether the queue has a message, if need be from the spool."""
        if not self._queue and (spooled := self._spool.read()) is not None:
            self._hold(*spooled)
            self._spooled_out.append(spooled.end)
        elif not self._queue and self._unwritten:  # they come after all that the spool held
            self._hold(*self._unwritten.popleft(), None)
        if self._spool.damaged_rows:
            self._drop(self._spool.damaged_rows, "the spool was damaged")
            self._spool.damaged_rows = 0
        return bool(self._queue)

    def settle(self, messages: Sequence[Waiting]) -> None:
        """These are acknowledged."""
        for message in messages:
            self._count("acknowledged", message.rows)
            _tell(message.settled, safe=True)
        self._forget(messages)

    def refuse(self, messages: Sequence[Waiting], reason: str) -> None:
        """These can never be delivered: dropped, counted and logged."""
        for message in messages:
            self._drop(message.rows, reason)
            _tell(message.settled, safe=False)
        self._forget(messages)

    def _forget(self, messages: Sequence[Waiting]) -> None:
        for message in messages:
            del self._out[message.number]
            self._bytes -= len(message.value)
            if message.end is not None:
                self._spooled_done.add(message.end)
        end = None
        while self._spooled_out and self._spooled_out[0] in self._spooled_done:
            end = self._spooled_out.popleft()
            self._spooled_done.remove(end)
        if end is not None:
            self._spool.forget(end)

    def close(self) -> None:
        """Leave in the spool what is in memory, in its order, for the next start."""
        self._disk_full_until = 0.0
        self._write()
        while self._unwritten:
            self._drop(self._unwritten.popleft().rows, "there is no room on disk")
        held = sorted((*self._out.values(), *self._queue))
        if any(message.end is None for message in held):
            try:
                self._spool.put_first((message.value, message.rows) for message in held)
            except OSError as error:
                self._drop(self.memory_rows, f"the spool can't be written: {error}")
        self._spool.close()


def _tell(settled: Settled | None, *, safe: bool) -> None:
    if settled is not None:
        settled(safe)
