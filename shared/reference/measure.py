"""How values are measured against a reference: their bins, their place on the grid, its range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.features import Float32
from shared.reference.counter import Counter
from shared.reference.grid import GRID, Grid
from shared.reference.levels import LevelCounter
from shared.reference.panes import Int64

__all__ = ["GRID", "Clip", "Column", "Measure"]


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

    `centre` and `step`: a value x lies on the grid at the whole number nearest to (clip(x) - centre) / step, within
    ±2^19; `minimum`, `maximum`: the reference's range.
    """

    def __init__(self, columns: Sequence[Column], kept: Sequence[Sequence[int]]) -> None:
        bounds = np.array([column.clip.bounds for column in columns], dtype=np.float64).reshape(-1, 2)
        self._grid = Grid(bounds[:, 0], bounds[:, 1])
        self.centre, self.step = self._grid.centre, self._grid.step
        self.minimum = np.array([column.minimum for column in columns], dtype=np.float32)
        self.maximum = np.array([column.maximum for column in columns], dtype=np.float32)
        edges = [np.array(column.edges, dtype=np.float32) for column in columns]
        self.count = Counter(edges, self.minimum, self.maximum, self._grid)
        self.count_levels = LevelCounter(kept)

    def grid(self, block: Float32) -> Int64:
        """Places on the grid int64 [n, N]; 0 for a missing value."""
        return self._grid.places(block.T).T
