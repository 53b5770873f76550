"""The rows that are compared: those from the onset on, and as many before it."""

from dataclasses import dataclass

import numpy as np

from shared.features import Float32, Rows
from shared.reference.panes import Int64

BLOCKS = 24  # of one side: enough for a variance, and long enough to be as good as independent


@dataclass(frozen=True)
class Side:
    """n rows in order of event time: `rows`, and `scores` float32 [n, k]."""

    rows: Rows
    scores: Float32

    def __len__(self) -> int:
        return len(self.rows)

    def blocks(self) -> Int64:
        """The number of each row's block, int64 [n]: up to 24 successive ones of as many rows each.

        What rises and falls for all rows alike, as weather does, does so inside and outside of a slice of one block.
        """
        count = len(self)
        return np.arange(count, dtype=np.int64) * min(BLOCKS, max(count, 1)) // max(count, 1)


@dataclass(frozen=True)
class Sides:
    """Both."""

    before: Side
    after: Side
