"""What is counted of a part of a window beside its sketch: facts of its rows, and sums to compare versions by."""

import struct
from dataclasses import dataclass
from typing import Self

from services.drift_detection.domain.clock import Mask
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.rollout.rows import add_rows
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.reference.panes import microseconds

_LENGTH = struct.Struct("<I")


@dataclass
class Beside:
    """Of all rows of a window, whatever their segment; they merge exactly, in any order. `facts` of champions only."""

    facts: Facts
    sums: Sums

    @classmethod
    def empty(cls, watched: Watched) -> Self:
        """Of no rows."""
        return cls(Facts.empty(len(watched.reference.numeric)), Sums.empty())

    def add(self, batch: PredictionBatch, rows: Mask, appended: int, watched: Watched) -> None:
        """Take in the rows of a message that are marked, bool [n], which was appended at this LogAppendTime."""
        if batch.meta.role == "champion":
            lags = appended - microseconds(batch.event_time[rows])
            self.facts.add(batch.rows.numeric[rows], lags, watched.inspector.limits)
        add_rows(self.sums, batch, rows, watched.ranges)

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
