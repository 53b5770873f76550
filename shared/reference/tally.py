"""Counting a block of numbers: all columns at once, in portions that stay in the cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32
from shared.reference.bins import NUMERIC_WIDTH
from shared.reference.grid import MIDDLE, Float64, Grid
from shared.reference.lookup import WIDTH, Lookup
from shared.reference.panes import Int64
from shared.reference.room import VALUES, Room, room_for

# A value adds this and its code to its place: the two sums come apart again while there are few enough rows.
_ONE = 34
_MOST_ROWS = 4096  # of squares of codes, which are below 2^41, the sums stay below 2^53: exact in float64
_WORD = 8  # marks are counted eight at once, a byte for each place in a word, which holds up to 255
_MOST_AT_ONCE = 255 * _WORD


@dataclass(frozen=True)
class Tally:
    """Whole numbers over some rows of N columns, int64, as `Sketch` has them.

    `counts` and `sums` [N, 61] by bin, of places on the grid; `squares` [N] of the places; `outside` [2, N] below and
    above the reference's range; `zeros` [N].
    """

    counts: Int64
    sums: Int64
    squares: Int64
    outside: Int64
    zeros: Int64


class Counter:
    """Counts values of N columns by their bins and places; `minimum` and `maximum` float32 [N]."""

    def __init__(self, edges: Sequence[Float32], minimum: Float32, maximum: Float32, grid: Grid) -> None:
        self._grid = grid
        self._lookup = Lookup(edges, minimum, maximum, grid)
        self._minimum = minimum[self._lookup.unranged, None]
        self._maximum = maximum[self._lookup.unranged, None]

    def __call__(self, blocks: Sequence[Float32]) -> Iterator[Tally]:
        """Tallies that add up to that of all n rows; `blocks` float32 [n, ·] hold the N columns side by side."""
        columns = len(self._lookup.last)
        if not columns:
            return
        at_once = min(VALUES // columns // _WORD * _WORD, _MOST_AT_ONCE) or _WORD
        several = max(1, _MOST_ROWS // at_once) * at_once
        for begin in range(0, len(blocks[0]), several):
            sums = _Sums(columns)
            with np.errstate(over="ignore"):
                self._add([block[begin : begin + several] for block in blocks], at_once, sums)
            yield sums.tally(self._lookup)

    def _add(self, blocks: Sequence[Float32], at_once: int, sums: "_Sums") -> None:
        room: Room | None = None
        for begin in range(0, len(blocks[0]), at_once):
            part = [block[begin : begin + at_once] for block in blocks]
            padded = -(-len(part[0]) // _WORD) * _WORD
            if room is None or room.values.shape[1] != padded:
                room = room_for(len(sums.zeros), padded)
            _fill(room.values, part)
            sums.missing -= padded - len(part[0])
            self._count(room, sums)

    def _count(self, room: Room, sums: "_Sums") -> None:
        self._grid.spread(room.values, room.scratch)
        np.minimum(room.scratch, room.most, out=room.scratch)
        np.maximum(room.scratch, room.least, out=room.scratch)
        np.fmax(room.scratch, room.missing, out=room.scratch)  # of NaN and a number it takes the number
        np.copyto(room.codes, room.scratch, casting="unsafe")
        np.copyto(room.weights, room.codes)
        sums.squares += np.vecdot(room.weights, room.weights)
        np.add(room.weights, float(1 << _ONE), out=room.weights)
        places = self._lookup.find(room).reshape(-1)
        sums.packed += np.bincount(places, weights=room.weights.reshape(-1), minlength=sums.packed.size)
        sums.zeros += _how_many(np.equal(room.values, 0, out=room.marks))
        if len(self._minimum):
            values = room.values[self._lookup.unranged]
            sums.outside[0, self._lookup.unranged] += _how_many(values < self._minimum)
            sums.outside[1, self._lookup.unranged] += _how_many(values > self._maximum)


def _fill(values: Float32, blocks: Sequence[Float32]) -> None:
    """Columns of the blocks into rows; what is over at their ends is missing."""
    rows, column = len(blocks[0]), 0
    for block in blocks:
        values[column : column + block.shape[1], :rows] = block.T
        column += block.shape[1]
    values[:, rows:] = np.nan


def _how_many(marks: NDArray[np.bool_]) -> Int64:
    """How many of each row are true, int64 [N]; there are a multiple of eight and at most 2,040 in a row."""
    words = np.add.reduce(marks.view(np.int64), axis=1)
    found: Int64 = words.view(np.uint8).reshape(-1, _WORD).sum(axis=1, dtype=np.int64)
    return found


class _Sums:
    """Sums over up to 4,096 rows. `missing` corrects for what is counted as missing but is not there."""

    def __init__(self, columns: int) -> None:
        self.packed: Float64 = np.zeros(columns * WIDTH)
        self.squares: Float64 = np.zeros(columns)
        self.outside: Int64 = np.zeros((2, columns), dtype=np.int64)
        self.zeros: Int64 = np.zeros(columns, dtype=np.int64)
        self.missing = 0

    def tally(self, lookup: Lookup) -> Tally:
        """The sums of places on the grid, from those of codes."""
        packed = self._ranged(lookup.last)
        counts, sums = packed >> _ONE, packed & ((1 << _ONE) - 1)
        counts[:, 0] += self.missing
        total = sums.sum(axis=1)
        sums -= MIDDLE * counts
        sums[:, 0] = 0
        squares = self.squares.astype(np.int64) - MIDDLE * (total + sums.sum(axis=1))
        return Tally(counts, sums, squares, self.outside, self.zeros)

    def _ranged(self, last: Int64) -> Int64:
        """Packed sums [N, 61] by bin; what is outside the range is counted, and put into the end bins."""
        packed = self.packed.astype(np.int64).reshape(-1, WIDTH)
        rows = np.arange(len(packed))
        below, above = packed[:, 1], packed[rows, last]
        self.outside += (below >> _ONE, above >> _ONE)
        packed[:, 2] += below
        packed[rows, last - 1] += above
        packed[rows, last] = 0
        packed[:, 1] = packed[:, 0]
        return packed[:, 1 : 1 + NUMERIC_WIDTH]
