"""The prediction log: answered rows gathered for a moment, then handed to the publisher as one message."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from services.inference.domain.answered import Answered, Source, merge
from services.inference.domain.unanswered import Unanswered
from shared.batch import Meta, PredictionBatch, encode_batch
from shared.features import Rows
from shared.kafka.backlog import Settled

# A Kafka message holds at most 1 MB; these many bytes leave room for what Arrow adds.
_MESSAGE_BYTES = 700_000
_CHARACTER_BYTES = 4  # of UTF-8, at most
_ROW_BYTES = 48  # of a row's own columns, without features, scores, entity and trace
_TRACE_BYTES = 59


class GatherPolicy(NamedTuple):
    """How long rows are gathered, and how many at most: whichever comes first."""

    seconds: float
    rows: int


class Queue(Protocol):
    """Where messages go."""

    def __call__(self, value: bytes, rows: int, settled: Settled | None = None) -> None:
        """Take a message; `settled` is told once whether it is safe."""


@dataclass
class _Gathered:
    answers: list[Answered] = field(default_factory=list)
    rows: int = 0
    settled: list[Settled] = field(default_factory=list)


# Rows of one message: of one source, and either all or none with the champion's scores.
_Alike = tuple[Source, bool]


class _Parts:
    """Tells `settled` what became of a gathering when it is known of all of its messages."""

    def __init__(self, messages: int, settled: list[Settled]) -> None:
        self._left = messages
        self._safe = True
        self._settled = settled

    def __call__(self, safe: bool) -> None:
        self._left -= 1
        self._safe = self._safe and safe
        if not self._left:
            for settled in self._settled:
                settled(self._safe)


class PredictionLog:
    """`enqueue` takes a message's value and its number of rows; `producer` is a new name for each process.

    What is told to `unanswered` goes out with the next rows of the model, whichever version answered these.
    """

    def __init__(self, enqueue: Queue, producer: str, policy: GatherPolicy) -> None:
        self._enqueue = enqueue
        self._producer = producer
        self._policy = policy
        self._gathered: dict[_Alike, _Gathered] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sequence = 0
        self._rows = 0
        self.unanswered = Unanswered()

    def add(self, source: Source, answered: Answered, settled: Settled | None = None) -> None:
        """Log the rows of requests; they are on their way within the policy's time.

        `settled` is told once whether they are safe: acknowledged by Kafka, or synced on disk.
        """
        alike = (source, answered.champion_scores is not None)
        gathered = self._gathered.setdefault(alike, _Gathered())
        gathered.answers.append(answered)
        gathered.rows += len(answered)
        if settled is not None:
            gathered.settled.append(settled)
        if gathered.rows >= self._policy.rows:
            self._send(source, self._gathered.pop(alike))
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._policy.seconds, self.flush)

    def flush(self) -> None:
        """Hand over all that is gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, {}
        for (source, _), rows in gathered.items():
            self._send(source, rows)

    def _send(self, source: Source, gathered: _Gathered) -> None:
        columns = _columns(gathered.answers)
        parts = list(_parts(columns, self._policy.rows))
        settled = _Parts(len(parts), gathered.settled) if gathered.settled else None
        for part in parts:
            self._rows += len(columns.row[part])
            failed = self.unanswered.taken(source.model)
            meta = Meta(*source, self._producer, self._sequence, self._rows, failed)
            self._sequence += 1
            batch = columns.batch(meta, part)
            self._enqueue(encode_batch(batch), len(batch), settled)


@lru_cache(maxsize=1)
def warm() -> None:
    """Encode a row for nobody: pyarrow's first array imports pandas where there is one, which takes a second."""
    rows = Rows(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int32))
    nobody = Answered([bytes(16)], [1], [0], [0], [None], [0], rows, np.zeros((1, 1), np.float32))
    columns = _columns([nobody])
    encode_batch(columns.batch(Meta("warm", "0" * 64, "0" * 64, "champion", "warm", 0, 1), slice(None)))


class _Columns(NamedTuple):
    request_id: list[bytes]
    row: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    entity: list[str | None]
    event_time: "np.ndarray[tuple[int], np.dtype[np.datetime64]]"
    repeat: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    rows: Rows
    scores: "np.ndarray[tuple[int, int], np.dtype[np.float32]]"
    latency_us: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    champion_scores: "np.ndarray[tuple[int, int], np.dtype[np.float32]] | None"
    traceparent: list[str | None] | None

    def batch(self, meta: Meta, part: slice) -> PredictionBatch:
        columns = (None if column is None else column[part] for column in self)
        return PredictionBatch(meta, *columns)  # type: ignore[arg-type]  # in the same order


def _columns(answers: Sequence[Answered]) -> _Columns:
    answered = merge(answers)
    return _Columns(
        request_id=answered.request_id,
        row=answered.row,
        entity=answered.entity,
        event_time=answered.event_time,
        repeat=answered.repeat,
        rows=answered.rows,
        scores=answered.scores,
        latency_us=answered.latency_us,
        champion_scores=answered.champion_scores,
        traceparent=answered.traceparent,
    )


def _parts(columns: _Columns, most: int) -> Iterator[slice]:
    """Slices of at most `most` rows and one Kafka message."""
    width = columns.rows.numeric.shape[1] + columns.rows.categorical.shape[1] + 2 * columns.scores.shape[1]
    entity = _CHARACTER_BYTES * max(map(len, filter(None, columns.entity)), default=0)
    trace = 0 if columns.traceparent is None else _TRACE_BYTES
    rows = max(1, min(most, _MESSAGE_BYTES // (_ROW_BYTES + 4 * width + entity + trace)))
    for start in range(0, len(columns.row), rows):
        yield slice(start, start + rows)
