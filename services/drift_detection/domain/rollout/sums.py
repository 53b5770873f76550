"""What is kept of one version's rows in one pane: integer sums by metric, which merge exactly in any order."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from shared.reference.panes import Int64
from shared.rollout import METRICS
from shared.subjects import GROUPS

GRID = 1 << 16  # steps of a metric's range; the squares of 2^31 rows fit in 64 bits
PLACE = {metric: place for place, metric in enumerate(METRICS)}


@dataclass
class Sums:
    """Sums of M = 5 metrics, int64. `answered` rows, all of them; `errors_known`: whether failures were told of all.

    `rows` and `sums` [M, 64] of what is known, by group of subject, values in steps of the grid; `squares` [M].
    `beside` [M]: of a shadow's differences, the champion's own sum. A failed row is one of `error` only.
    """

    answered: int
    errors_known: bool
    rows: Int64
    sums: Int64
    squares: Int64
    beside: Int64

    @classmethod
    def empty(cls) -> Self:
        """Of no rows."""
        wide, narrow = (len(METRICS), GROUPS), len(METRICS)
        arrays = (np.zeros(shape, dtype=np.int64) for shape in (wide, wide, narrow, narrow))
        return cls(0, True, *arrays)

    def add(self, metric: int, groups: Int64, values: Int64, beside: Int64 | None = None) -> None:
        """Take in values of a metric int64 [n], each of a row of this group of subjects."""
        self.rows[metric] += np.bincount(groups, minlength=GROUPS)
        self.sums[metric] += np.bincount(groups, weights=values, minlength=GROUPS).astype(np.int64)
        self.squares[metric] += int(np.dot(values, values))
        if beside is not None:
            self.beside[metric] += int(beside.sum())

    def merge(self, other: "Sums") -> None:
        """Take in all that another has."""
        self.answered += other.answered
        self.errors_known = self.errors_known and other.errors_known
        for name in ("rows", "sums", "squares", "beside"):
            getattr(self, name).__iadd__(getattr(other, name))
