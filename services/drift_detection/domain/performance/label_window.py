"""One window that takes labels, and what must be known of its rows before they are spoken of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.drift_detection.domain.performance.label_words import Labelled
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from services.drift_detection.domain.performance.packing import pack_outcomes, unpack_outcomes
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.watched import Watched


@dataclass
class LabelWindow:
    """A window that takes labels: rows that were `predicted` in it, its labels as bytes (none: no bytes), up to which
    offset of each partition of the outcomes they were taken in, and where the `rows` that they are for stand: the
    highest offset by partition of the predictions.
    """

    predicted: int = 0
    packed: bytes = b""
    offsets: dict[int, int] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)

    @property
    def outcomes(self) -> WindowOutcomes:
        """To look at."""
        return unpack_outcomes(self.packed) if self.packed else WindowOutcomes()

    def take(self, source: int, offset: int, more: Labelled) -> bool:
        """Take in the labels of a message; False if they are in it already."""
        if offset <= self.offsets.get(source, -1):
            return False
        outcomes = self.outcomes
        outcomes.merge(more.outcomes)
        self.packed = pack_outcomes(outcomes)
        self.offsets[source] = offset
        for number, last in more.rows.items():
            self.rows[number] = max(last, self.rows.get(number, last))
        return True


class Rows(Protocol):
    """What is known of the rows of windows; `told` says whether these, by partition, were all told that will be."""

    def told(self, key: WindowKey, watched: Watched, rows: Mapping[int, int]) -> bool: ...
    def count(self, key: WindowKey) -> int | None: ...
