"""Memory to count in, kept from one block to the next: fresh memory from the system costs more than the counting."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32, Int32
from shared.reference.grid import LEAST, MOST, Float64
from shared.reference.panes import Int64

VALUES = 28_000  # at once: what is worked on stays in the cache


@dataclass
class Room:
    """Arrays [N, n], a row per column; what is in them is old, but for `least`, `most` and `missing`.

    These hold one code throughout: numpy is quicker with them than with one number.
    """

    values: Float32
    scratch: Float32
    codes: Int32
    cells: Int64
    places: Int64
    weights: Float64
    least: Float32
    most: Float32
    missing: Float32
    marks: NDArray[np.bool_]


class _Memory(threading.local):
    """Each thread's own."""

    def __init__(self) -> None:
        self.make(VALUES)

    def make(self, size: int) -> None:
        self.size = size
        self.floats = np.empty((2, size), dtype=np.float32)
        self.codes: Int32 = np.empty(size, dtype=np.int32)
        self.whole: Int64 = np.empty((2, size), dtype=np.int64)
        self.weights: Float64 = np.empty(size, dtype=np.float64)
        self.limits = np.repeat(np.array([[LEAST], [MOST], [0]], dtype=np.float32), size, axis=1)
        self.marks = np.empty(size, dtype=np.bool_)


_MEMORY = _Memory()


def room_for(columns: int, rows: int) -> Room:
    """Room for so many values; of what a thread got before, nothing may be used any more."""
    size, shape, memory = columns * rows, (columns, rows), _MEMORY
    if size > memory.size:
        memory.make(size)
    return Room(
        memory.floats[0, :size].reshape(shape),
        memory.floats[1, :size].reshape(shape),
        memory.codes[:size].reshape(shape),
        memory.whole[0, :size].reshape(shape),
        memory.whole[1, :size].reshape(shape),
        memory.weights[:size].reshape(shape),
        memory.limits[0, :size].reshape(shape),
        memory.limits[1, :size].reshape(shape),
        memory.limits[2, :size].reshape(shape),
        memory.marks[:size].reshape(shape),
    )
