"""What numpy itself takes to count a block: the passes over its values that no way of counting does without."""

import numpy as np

from benchmarks.drift_stream.data import NUMERIC
from services.drift_detection.domain.statistics import Float64
from shared.features import Float32

_AT_ONCE = 504  # rows: what is worked on stays in the cache
_CELLS = 1 << 11  # of a column's table
_BINS = 64  # of a column


class Passes:
    """Into columns, onto a grid, to a cell, to a bin by a table, past that bin's edge or not, and into the bin's sum:
    each once, in memory that is there already.
    """

    def __init__(self) -> None:
        shape = (NUMERIC, _AT_ONCE)
        random = np.random.default_rng(1)
        self._values, self._grid = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
        self._cells, self._bins = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int64)
        self._passed = np.empty(shape, dtype=np.bool_)
        self._weights = np.empty(shape, dtype=np.float64)
        self._table = np.sort(random.integers(0, NUMERIC * _BINS, NUMERIC * _CELLS))
        self._edges = random.random(NUMERIC * _BINS, dtype=np.float32)

    def __call__(self, block: Float32) -> Float64:
        """Sums by bin float64 [3520] of a block float32 [n, 55], without what does not fill a portion."""
        sums = np.zeros(NUMERIC * _BINS)
        for begin in range(0, len(block) - _AT_ONCE + 1, _AT_ONCE):
            np.copyto(self._values, block[begin : begin + _AT_ONCE].T)
            np.multiply(self._values, np.float32(_CELLS), out=self._grid)
            np.fmax(self._grid, np.float32(0), out=self._grid)
            np.copyto(self._cells, self._grid, casting="unsafe")
            np.copyto(self._weights, self._grid)
            self._table.take(self._cells, out=self._bins, mode="clip")
            self._edges.take(self._bins, out=self._grid, mode="clip")
            np.less_equal(self._grid, self._values, out=self._passed)
            sums += np.bincount(self._bins.reshape(-1), self._weights.reshape(-1), len(sums))
        return sums
