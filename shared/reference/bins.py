"""Bins by the rule of the detector, and the look-up table that finds them without sorting."""

from collections.abc import Sequence

import numpy as np

from shared.features import MISSING, UNSEEN, Float32, Int32
from shared.reference.panes import Int64

FINE = 60
COARSE = 20
MOST_LEVELS = 50
LEAST_COUNT = 20
# Index 0 is "missing"; bins begin at 1. A categorical feature has one more bin, "rare or unseen".
NUMERIC_WIDTH = FINE + 1
LEVEL_WIDTH = MOST_LEVELS + 2
CELLS = 4096
_STEEPEST = 1e30


def quantile(ordered: Float32, share: float) -> float:
    """The value at position ⌊share·m⌋ of m ordered values."""
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])


def quantile_edges(ordered: Float32, bins: int) -> Float32:
    """Inner edges of up to `bins` bins, rising: v[⌊i·m/60⌋] for the i that 60 and `bins` share.

    Taken before duplicates are removed; edges at or below the least value would bound an empty bin and are dropped.
    A value's bin is the number of edges at or below it.
    """
    if not len(ordered):
        return ordered
    positions = np.arange(FINE // bins, FINE, FINE // bins) * len(ordered) // FINE
    edges = np.unique(ordered[positions])
    return np.asarray(edges[edges > ordered[0]], dtype=np.float32)


def kept_levels(counts: Sequence[int]) -> tuple[int, ...]:
    """Codes that get a bin of their own: at most 50, each with a count of 20 or more, the most frequent first."""
    order = sorted(range(len(counts)), key=lambda code: (-counts[code], code))
    return tuple(code for code in order[:MOST_LEVELS] if counts[code] >= LEAST_COUNT)


def pooled_counts(counts: Sequence[int], kept: Sequence[int], unseen_rows: int = 0) -> tuple[int, ...]:
    """r_b of the detector: counts of the kept levels, then of "rare or unseen".

    The last one takes 20 more for each level that was kept with just 20 (while fewer than 50 are kept): a level as
    frequent as that falls to either side by chance, and without this the guarantee breaks.
    """
    own = [counts[code] for code in kept]
    rest = sum(counts) + unseen_rows - sum(own)
    at_the_limit = own.count(LEAST_COUNT) if len(kept) < MOST_LEVELS else 0
    return (*own, rest + LEAST_COUNT * at_the_limit)


class NumericBinner:
    """Finds the bins of all numeric columns of a block at once; missing is 0, the bins begin at 1.

    A value's cell is monotone in the value, the table says how many edges lie in lower cells, and the edges that share
    the value's cell are compared one by one.
    """

    def __init__(self, edges: Sequence[Float32], bounds: Sequence[tuple[float, float]]) -> None:
        self._low = np.array([low for low, _ in bounds], dtype=np.float32)
        self._steepness = np.array([self._slope(*pair) for pair in bounds], dtype=np.float32)
        columns = len(edges)
        # NaN is at or below nothing, so that no comparison steps beyond the last edge
        self._edges = np.full((columns, NUMERIC_WIDTH + 1), np.nan, dtype=np.float32)
        self._table = np.zeros((columns, CELLS + 2), dtype=np.uint8)
        self._steps = 0
        for column, values in enumerate(edges):
            self._edges[column, 1 : len(values) + 1] = values
            self._fill(column, values)
        self._edge_offset = np.arange(columns) * (NUMERIC_WIDTH + 1)
        self._table_offset = np.arange(columns) * (CELLS + 2)

    @staticmethod
    def _slope(low: float, high: float) -> float:
        return min(CELLS / (high - low), _STEEPEST) if high > low else 1.0

    def _fill(self, column: int, values: Float32) -> None:
        cells = self._cells(values[:, None], slice(column, column + 1))[:, 0]
        self._table[column, 1:] = 1 + np.searchsorted(cells, np.arange(1, CELLS + 2), side="left")
        if len(cells):
            self._steps = max(self._steps, int(np.bincount(cells).max()))

    def _cells(self, block: Float32, columns: slice) -> Int64:
        with np.errstate(over="ignore", invalid="ignore"):
            place = (block - self._low[columns]) * self._steepness[columns]
        np.minimum(np.maximum(place, 0, out=place), CELLS, out=place)
        place += 1
        cells: Int64 = np.fmax(place, 0, out=place).astype(np.int64)  # fmax turns NaN into 0
        return cells

    def __call__(self, block: Float32) -> Int64:
        """Bins int64 [n, N] of a block float32 [n, N]; infinities fall in the end bins."""
        cells = self._cells(block, slice(None))
        found: Int64 = self._table.reshape(-1).take(cells + self._table_offset).astype(np.int64)
        edges = self._edges.reshape(-1)
        for _ in range(self._steps):
            found += edges.take(found + self._edge_offset) <= block
        return found


class LevelBinner:
    """Finds the bins of all categorical columns of a block at once; missing is 0, levels begin at 1."""

    def __init__(self, kept: Sequence[Sequence[int]]) -> None:
        self._highest = max((max(codes, default=0) for codes in kept), default=0)
        # codes from -2 up to one beyond the highest kept code, shifted to begin at 0
        self._table = np.zeros((len(kept), self._highest + 4), dtype=np.int64)
        for column, codes in enumerate(kept):
            self._table[column] = len(codes) + 1
            self._table[column, 0] = 0
            for position, code in enumerate(codes):
                self._table[column, code - MISSING] = position + 1
        self._offset = np.arange(len(kept)) * self._table.shape[1] - MISSING

    def __call__(self, codes: Int32) -> Int64:
        """Bins int64 [n, C] of codes int32 [n, C]: -2 is missing, -1 and whatever is not kept the last bin."""
        known = np.clip(codes, MISSING, self._highest + 1)
        found: Int64 = self._table.reshape(-1).take(known + self._offset)
        return found


def unseen(codes: Int32) -> Int64:
    """How many codes of each column are of no known category, int64 [C]."""
    count: Int64 = (codes == UNSEEN).sum(axis=0, dtype=np.int64)
    return count
