"""Sums of quantities and of their squares, as whole numbers: exact in any order, and what was can be taken back."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.reference.panes import Int64

Float64 = NDArray[np.float64]

STEPS = 1 << 16  # of a quantity's scale: what it is rounded to
MOST = 1 << 40  # steps; what lies beyond counts as that


@dataclass(frozen=True)
class Moments:
    """`rows`, and of each quantity `sums` and `squares` of its whole numbers of steps."""

    rows: int
    sums: tuple[int, ...]
    squares: tuple[int, ...]

    @classmethod
    def of(cls, steps: Int64) -> Self:
        """Those of int64 [n, m]. Python's integers: the squares outgrow 64 bits."""
        columns: list[list[int]] = steps.T.tolist()
        sums = tuple(sum(column) for column in columns)
        return cls(len(steps), sums, tuple(sum(value * value for value in column) for column in columns))

    def __add__(self, other: "Moments") -> "Moments":
        return self._with(other, 1)

    def __sub__(self, other: "Moments") -> "Moments":
        return self._with(other, -1)

    def _with(self, other: "Moments", sign: int) -> "Moments":
        return Moments(
            self.rows + sign * other.rows,
            tuple(mine + sign * theirs for mine, theirs in zip(self.sums, other.sums, strict=True)),
            tuple(mine + sign * theirs for mine, theirs in zip(self.squares, other.squares, strict=True)),
        )


def to_steps(values: Float64, scale: Float64) -> Int64:
    """Whole numbers of steps int64 [n, m] of values float64 [n, m], of scales float64 [m]; at most MOST either way."""
    return np.clip(np.rint(values / scale * STEPS), -MOST, MOST).astype(np.int64)
