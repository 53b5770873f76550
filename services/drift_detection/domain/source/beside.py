"""What is counted of a part of a window beside its sketch: facts of its rows, and sums to compare versions by."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.drift_detection.domain.clock import Mask
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.rollout.rows import Answers, add_rows, stacked
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.features import Float32
from shared.reference.panes import Int64, microseconds

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Answered:
    """What is counted of n rows of a message: `lags` int64 [n] from event time to LogAppendTime in microseconds, None
    for those that are not a champion's, and the answers.
    """

    lags: Int64 | None
    answers: Answers

    @classmethod
    def of(cls, batch: PredictionBatch, appended: int) -> Self:
        """Of all rows of a message that was appended at this time."""
        lags = appended - microseconds(batch.event_time) if batch.meta.role == "champion" else None
        return cls(lags, Answers.of(batch))

    def __getitem__(self, chosen: slice | Mask) -> "Answered":
        return Answered(None if self.lags is None else self.lags[chosen], self.answers[chosen])


@dataclass
class Beside:
    """Of all rows of a window, whatever their segment; they merge exactly, in any order. `facts` of champions only."""

    facts: Facts
    sums: Sums

    @classmethod
    def empty(cls, watched: Watched) -> Self:
        """Of no rows."""
        return cls(Facts.empty(len(watched.reference.numeric)), Sums.empty())

    def add(self, parts: Sequence[Answered], numeric: Float32, watched: Watched) -> None:
        """Take in the rows of these parts, which have the numeric features float32 [n, N] together."""
        lags = [part.lags for part in parts if part.lags is not None]
        if lags:
            self.facts.add(numeric, np.concatenate(lags), watched.inspector.limits)
        for answers in stacked([part.answers for part in parts]):
            add_rows(self.sums, answers, watched.ranges)

    def merge(self, other: "Beside") -> None:
        """Take in all that another has."""
        self.facts.merge(other.facts)
        self.sums.merge(other.sums)

    def fits(self, watched: Watched) -> bool:
        """Whether it is of this bundle's columns."""
        return self.facts.outside.shape == Facts.empty(len(watched.reference.numeric)).outside.shape

    def to_bytes(self) -> bytes:
        """Equal content gives equal bytes."""
        facts = self.facts.to_bytes()
        return _LENGTH.pack(len(facts)) + facts + self.sums.to_bytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The reverse of `to_bytes`; raises Unreadable if it is not one."""
        try:
            end = _LENGTH.size + _LENGTH.unpack_from(content)[0]
        except struct.error as error:
            raise Unreadable(f"counts beside a sketch: {error}") from error
        return cls(Facts.from_bytes(content[_LENGTH.size : end]), Sums.from_bytes(content[end:]))
