"""Finding the bins of numbers by a table, without sorting or searching."""

from collections.abc import Sequence

import numpy as np

from shared.features import Float32, Int32
from shared.reference.bins import NUMERIC_WIDTH
from shared.reference.grid import MOST, WIDEST, Grid
from shared.reference.panes import Int64
from shared.reference.room import Room

# Places of a column's values: 0 missing, 1 below the range, from 2 on its bins, after the last of them above the range.
WIDTH = NUMERIC_WIDTH + 3
_NARROWEST = 6  # bits of a cell: a column's table has 16,449 cells at most


class Lookup:
    """Finds where values of N numeric columns count. `last` int64 [N] are the places of what is above the range.

    A value's cell, its code on the grid without the last bits, is monotone in the value. The table says how many edges
    lie in lower cells; the edges that share the value's cell are compared with the value itself, one by one. A column's
    cells are as wide as they may be with no two edges in one, within bounds: small tables stay in the cache.

    The ends of the range are edges, too, but of columns in which they share a cell with another: in these, `unranged`,
    what is outside counts in the end bins alone.
    """

    def __init__(self, edges: Sequence[Float32], minimum: Float32, maximum: Float32, grid: Grid) -> None:
        # NaN is at or below nothing, so that no comparison steps beyond the last edge
        self._edges = np.full((len(edges), WIDTH), np.nan, dtype=np.float32)
        beyond = np.nextafter(maximum, np.float32(np.inf))
        for column, inner in enumerate(edges):
            self._edges[column, 1 : len(inner) + 3] = minimum[column], *inner, beyond[column]
        self.last = np.array([len(inner) + 3 for inner in edges], dtype=np.int64)
        codes = grid.codes(self._edges)
        tables = [_Table(row[1:last]) for row, last in zip(codes, self.last.tolist(), strict=True)]
        self.unranged = np.flatnonzero([not table.ranged for table in tables])
        self._edges[self.unranged, self.last[self.unranged] - 1] = np.nan
        places = [table.places + column * WIDTH for column, table in enumerate(tables)]
        self._table: Int64 = np.concatenate([*places, np.zeros(1, dtype=np.int64)])
        self._bits: Int32 = np.array([table.bits for table in tables], dtype=np.int32).reshape(-1, 1)
        self._begin: Int32 = np.cumsum([0, *map(len, places)], dtype=np.int32)[:-1, None]
        crowds = np.array([table.crowd for table in tables], dtype=np.int64)
        self._crowded = [np.flatnonzero(crowds > steps) for steps in range(1, crowds.max(initial=0))]

    def find(self, room: Room) -> Int64:
        """Places int64 [N, n] of the values in a room with their codes; each column's begin WIDTH after the last one's.

        The room's other arrays are overwritten, but for `values` and `weights`.
        """
        np.right_shift(room.codes, self._bits, out=room.codes)
        np.add(room.codes, self._begin, out=room.codes)
        np.copyto(room.cells, room.codes)
        found, edges, passed = room.places, self._edges.reshape(-1), room.marks
        self._table.take(room.cells, out=found, mode="clip")  # of its modes this one copies least
        edges.take(found, out=room.scratch, mode="clip")
        np.less_equal(room.scratch, room.values, out=passed)
        np.add(found, passed, out=found)
        for columns in self._crowded:
            found[columns] += edges.take(found[columns]) <= room.values[columns]
        return found


class _Table:
    """By cell of a column: the place after the edges in lower cells; `codes` int32 are those of its edges, rising.

    `bits` a code loses to become its cell, `crowd` is the most edges in one cell; `ranged`: with the first and last.
    """

    def __init__(self, codes: Int32) -> None:
        self.bits, self.ranged = _widest(codes), True
        if _crowd(codes >> self.bits) > 1:
            codes, self.ranged = codes[1:-1], False
            self.bits = _widest(codes)
        cells = codes >> self.bits
        self.crowd = _crowd(cells)
        below = 1 if self.ranged else 2
        self.places: Int64 = below + np.searchsorted(cells, np.arange((MOST >> self.bits) + 1), side="left")
        self.places[0] = 0


def _widest(codes: Int32) -> int:
    """Bits to leave away for cells in which no two edges with these codes lie, or as few as may be."""
    return next((bits for bits in range(WIDEST, _NARROWEST, -1) if _crowd(codes >> bits) <= 1), _NARROWEST)


def _crowd(cells: Int32) -> int:
    """The most edges that share a cell."""
    return int(np.unique(cells, return_counts=True)[1].max(initial=0))
