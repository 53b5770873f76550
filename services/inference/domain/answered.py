"""What is logged of requests that were answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.batch import Role
from shared.features import Float32, Int32, Rows

_LONGEST = 2**31 - 1


class Source(NamedTuple):
    """What answered: the rows of a message share it."""

    model: str
    digest: str
    definition_digest: str
    role: Role


@dataclass(frozen=True, slots=True)
class Answered:
    """The n rows of k requests that one model answered together, in order: what `shared.batch` says of each.

    Per request: `keys` its 16 bytes, `counts` its rows, `seen` how many of them were answered under this id before,
    `seconds` from receipt to answer; `event_times` and `entities` as `Asked` has them: one for all of its rows, or one
    for each. `rows`, `scores` [n, k], and where a shadow computed them `champion_scores` [n, k] are per row.
    `traces` per request: the `traceparent` that leads to its span, or None; and None if no request has one.
    """

    keys: list[bytes]
    counts: list[int]
    seen: list[int]
    seconds: list[float]
    entities: list[str | list[str | None] | None]
    event_times: list[int | NDArray[np.datetime64]]
    rows: Rows
    scores: Float32
    champion_scores: Float32 | None = None
    traces: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def _is_single(self) -> bool:
        """Whether each request has one row."""
        return len(self.counts) == len(self)

    @property
    def request_id(self) -> list[bytes]:
        """Of each row that of its request."""
        return self.keys if self._is_single else list(chain.from_iterable(map(repeat, self.keys, self.counts)))

    @property
    def row(self) -> Int32:
        """Of each row its place in its request: 0, 1, …"""
        if self._is_single:
            return np.zeros(len(self), np.int32)
        ends = np.cumsum(self.counts)
        return (np.arange(len(self)) - np.repeat(ends - self.counts, self.counts)).astype(np.int32)

    @property
    def repeat(self) -> NDArray[np.bool_]:
        """Of each row whether it was answered before."""
        if not any(self.seen):
            return np.zeros(len(self), np.bool_)
        return self.row < self._spread(np.array(self.seen))

    @property
    def latency_us(self) -> Int32:
        """Of each row that of its request."""
        return self._spread(np.minimum(np.array(self.seconds) * 1e6, _LONGEST).astype(np.int32))

    @property
    def entity(self) -> list[str | None]:
        """Of each row."""
        if not any(self.entities):
            return [None] * len(self)
        parts = (
            each if isinstance(each, list) else [each] * count
            for each, count in zip(self.entities, self.counts, strict=True)
        )
        return list(chain.from_iterable(parts))

    @property
    def traceparent(self) -> list[str | None] | None:
        """Of each row that of its request."""
        return None if self.traces is None else list(chain.from_iterable(map(repeat, self.traces, self.counts)))

    @property
    def event_time(self) -> NDArray[np.datetime64]:
        """Of each row, datetime64[us]."""
        if set(map(type, self.event_times)) == {int}:
            return self._spread(np.array(self.event_times, dtype=np.int64)).view("datetime64[us]")
        parts = [
            np.full(count, each, dtype="datetime64[us]")
            for each, count in zip(self.event_times, self.counts, strict=True)
        ]
        return np.concatenate(parts)

    def _spread(self, each: NDArray[Any]) -> NDArray[Any]:
        """To all rows what stands once for each request."""
        return each if self._is_single else np.repeat(each, self.counts)


def merge(answers: Sequence[Answered]) -> Answered:
    """All of one model, either all or none with the champion's scores, as if they had been answered together."""
    if len(answers) == 1:
        return answers[0]

    def joined(name: str) -> list[Any]:
        return list(chain.from_iterable(map(attrgetter(name), answers)))

    pairs = [each.champion_scores for each in answers if each.champion_scores is not None]
    return Answered(
        keys=joined("keys"),
        counts=joined("counts"),
        seen=joined("seen"),
        seconds=joined("seconds"),
        entities=joined("entities"),
        event_times=joined("event_times"),
        rows=Rows(
            np.concatenate([each.rows.numeric for each in answers]),
            np.concatenate([each.rows.categorical for each in answers]),
        ),
        scores=np.concatenate([each.scores for each in answers]),
        champion_scores=np.concatenate(pairs) if pairs else None,
        traces=_traces(answers),
    )


def _traces(answers: Sequence[Answered]) -> list[str | None] | None:
    if all(each.traces is None for each in answers):
        return None
    return list(chain.from_iterable(each.traces or [None] * len(each.counts) for each in answers))
