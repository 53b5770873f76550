"""What numpy itself takes to count a block: the passes over its values that no way of counting does without."""

import numpy as np

from benchmarks.drift_stream.data import NUMERIC
from services.drift_detection.domain.statistics import Float64
from shared.features import Float32
from shared.reference.room import room_for

_AT_ONCE = 504  # rows: what is worked on stays in the cache
_CELLS = 1 << 11  # of a column's table
_BINS = 64  # of a column


class Passes:
    """Into columns, onto a grid, to a cell, to a bin by a table, past that bin's edge or not, and into the bin's sum:
    each once, in the memory that the sketch counts in, too.
    """

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self._table = np.sort(random.integers(0, NUMERIC * _BINS, NUMERIC * _CELLS))
        self._edges = random.random(NUMERIC * _BINS, dtype=np.float32)

    def __call__(self, block: Float32) -> Float64:
        """Sums by bin float64 [3520] of a block float32 [n, 55], without what does not fill a portion."""
        sums = np.zeros(NUMERIC * _BINS)
        room = room_for(NUMERIC, _AT_ONCE)
        for begin in range(0, len(block) - _AT_ONCE + 1, _AT_ONCE):
            np.copyto(room.values, block[begin : begin + _AT_ONCE].T)
            np.multiply(room.values, np.float32(_CELLS), out=room.scratch)
            np.fmax(room.scratch, room.missing, out=room.scratch)
            np.copyto(room.cells, room.scratch, casting="unsafe")
            np.copyto(room.weights, room.scratch)
            self._table.take(room.cells, out=room.places, mode="clip")
            self._edges.take(room.places, out=room.scratch, mode="clip")
            np.less_equal(room.scratch, room.values, out=room.marks)
            sums += np.bincount(room.places.reshape(-1), room.weights.reshape(-1), len(sums))
        return sums
