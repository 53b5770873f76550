"""How values are measured against a reference: their bins, their place on the grid, its range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32, Int32
from shared.reference.bins import LevelBinner, NumericBinner, unseen
from shared.reference.panes import Int64

GRID = 1 << 20

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """The range that values are clipped to before they are summed: [q.002 - w, q.998 + w], w = q.998 - q.002.

    Where that w is 0 (a value that nearly all rows share) it is the whole range, and for a constant c max(|c|, 1).
    """

    low: float
    high: float
    width: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The clipped range."""
        return self.low - self.width, self.high + self.width


class Column(Protocol):
    """What is needed of a numeric profile."""

    @property
    def clip(self) -> Clip: ...
    @property
    def edges(self) -> tuple[float, ...]: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...


class Measure:
    """Measures blocks of rows. Attributes float64 [N] or float32 [N], in the order of the columns:

    `centre` and `step`: a value x lies on the grid at round((clip(x) - centre) / step), within ±2^19;
    `minimum`, `maximum`: the reference's range.
    """

    def __init__(self, columns: Sequence[Column], kept: Sequence[Sequence[int]]) -> None:
        clips = [column.clip for column in columns]
        self._low = np.array([clip.bounds[0] for clip in clips], dtype=np.float64)
        self._high = np.array([clip.bounds[1] for clip in clips], dtype=np.float64)
        self.centre = (self._low + self._high) / 2
        self.step = (self._high - self._low) / GRID
        self.minimum = np.array([column.minimum for column in columns], dtype=np.float32)
        self.maximum = np.array([column.maximum for column in columns], dtype=np.float32)
        edges = [np.array(column.edges, dtype=np.float32) for column in columns]
        self.bins = NumericBinner(edges, [(clip.low, clip.high) for clip in clips])
        self.levels = LevelBinner(kept)

    def grid(self, block: Float32) -> Float64:
        """Places on the grid float64 [n, N], whole numbers; 0 for a missing value."""
        clipped = np.clip(block, self._low, self._high, dtype=np.float64)
        places: Float64 = np.rint((clipped - self.centre) / self.step)
        places[np.isnan(places)] = 0
        return places

    def unseen(self, codes: Int32) -> Int64:
        """How many codes of each column are of no known category, int64 [C]."""
        return unseen(codes)
