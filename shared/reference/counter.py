"""Counting blocks of numbers: tables for finding bins without a search, and the compiled kernel that uses them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32, Int32
from shared.reference import kernel
from shared.reference.bins import NUMERIC_WIDTH
from shared.reference.grid import MOST, WIDEST, Grid
from shared.reference.panes import Int64

_NARROWEST = 6  # bits of a cell: a column's table has 16,449 cells at most

# `column_t` of kernel/count.c.
_COLUMN = np.dtype(
    [
        ("origin", np.float32),
        ("scale", np.float32),
        ("offset", np.float32),
        ("minimum", np.float32),
        ("maximum", np.float32),
        ("bits", np.int32),
        ("table", np.int64),
        ("edges", np.float32, NUMERIC_WIDTH),
    ],
    align=True,
)


class Sums(Protocol):
    """What is counted into, all int64 and contiguous, as `Sketch` has it."""

    counts: Int64
    sums: Int64
    squares: Int64
    outside: Int64
    zeros: Int64


class Counter:
    """Counts values of N columns by their bins and places; `minimum` and `maximum` float32 [N].

    A value's cell, its code on the grid without the last bits, is monotone in the value. A table says how many edges
    lie in lower cells; the edges that share the value's cell are compared with the value itself, one by one. A column's
    cells are as wide as they may be with no two edges in one, within bounds: small tables stay in the cache.
    """

    def __init__(self, edges: Sequence[Float32], minimum: Float32, maximum: Float32, grid: Grid) -> None:
        self._columns = np.zeros(len(edges), dtype=_COLUMN)
        self._columns["minimum"], self._columns["maximum"] = minimum, maximum
        for name, values in zip(("origin", "scale", "offset"), grid.steps, strict=True):
            self._columns[name] = values
        # NaN is at or below nothing, so that no comparison steps beyond the last edge.
        self._columns["edges"] = np.nan
        for column, inner in enumerate(edges):
            self._columns["edges"][column, 1 : len(inner) + 1] = inner
        codes = grid.codes(self._columns["edges"])
        self._columns["bits"] = [_bits(row[row > 0]) for row in codes]
        tables = [_table(row[row > 0], int(bits)) for row, bits in zip(codes, self._columns["bits"], strict=True)]
        self._columns["table"] = np.cumsum([0, *map(len, tables)])[:-1]
        self._tables = np.concatenate([*tables, np.zeros(0, dtype=np.uint8)])

    def __call__(self, blocks: Sequence[Float32], into: Sums) -> None:
        """Add up n rows; `blocks` float32 [n, ·] hold the N columns side by side."""
        arrays = (into.counts, into.sums, into.squares, into.outside, into.zeros)
        if not all(array.flags.c_contiguous and array.dtype == np.int64 for array in arrays):
            raise ValueError("sums are int64 and contiguous")
        first, total = 0, len(self._columns)
        if sum(block.shape[1] for block in blocks) != total or into.counts.shape != (total, NUMERIC_WIDTH):
            raise ValueError(f"{total} columns are counted")
        for block in blocks:
            values = np.ascontiguousarray(block, dtype=np.float32)
            tables = self._columns.ctypes.data, self._tables.ctypes.data
            kernel.count(
                values.ctypes.data, *values.shape, *tables, first, total, *(array.ctypes.data for array in arrays)
            )
            first += values.shape[1]


def _bits(codes: Int32) -> int:
    """Bits that codes lose to become cells in which no two edges with these codes lie, or as few as may be."""
    return next((bits for bits in range(WIDEST, _NARROWEST, -1) if _crowd(codes >> bits) <= 1), _NARROWEST)


def _crowd(cells: Int32) -> int:
    """The most edges that share a cell."""
    return int(np.unique(cells, return_counts=True)[1].max(initial=0))


def _table(codes: Int32, bits: int) -> NDArray[np.uint8]:
    """By cell the bin after the edges in lower cells, from 1 on; 0 for what is missing."""
    below = np.searchsorted(codes >> bits, np.arange((MOST >> bits) + 1), side="left")
    table = (1 + below).astype(np.uint8)
    table[0] = 0
    return table
