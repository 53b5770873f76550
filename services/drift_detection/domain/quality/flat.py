"""Columns that have one value only, where the reference has many."""

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.quality.bounds import Float64, scaled
from services.drift_detection.domain.quality.counts import Counts
from shared.events.quality import Finding
from shared.reference import CategoricalProfile, Clump, Clumps, NumericProfile, Reference
from shared.reference.clumps import LEAST_ROWS
from shared.reference.panes import Int64

Mask = NDArray[np.bool_]


class FlatColumns:
    """A window of 10 rows or more, all of one value, in a column that no such pane of the reference has flat.

    By chance n independent rows fall in one bin with probability Σ_b p_b^n at most; n counts rows in clumps as so many
    fewer.
    """

    def __init__(self, reference: Reference, clumps: Clumps) -> None:
        self.number = len(reference.columns) + len(reference.categorical)
        self._reference = reference
        self._usual = clumps.usual
        self._numeric = [
            _Column(one, clump, one.counts)
            for one, clump in zip(reference.columns, (*clumps.numeric, *clumps.scores), strict=True)
        ]
        self._categorical = [
            _Column(one, clump, one.level_counts)
            for one, clump in zip(reference.categorical, clumps.categorical, strict=True)
        ]

    def find(self, window: Counts, level: float) -> list[Finding]:
        """Columns that are flat, at `level` by chance at most."""
        found: list[Finding] = []
        for column in np.flatnonzero(_one_value(window)).tolist():
            if self._numeric[column].chance(int(window.present[column]), self._usual) <= level:
                value = self._value(window, column)
                found.append(_finding(self._numeric[column].name, value))
        levels = window.sketch.levels[:, 1:]
        for column in np.flatnonzero((levels > 0).sum(axis=1) == 1).tolist():
            known = self._categorical[column]
            rare = int(levels[column, known.bins - 1])  # of different categories, perhaps
            if not rare and known.chance(int(window.level_present[column]), self._usual) <= level:
                found.append(_finding(known.name, None))
        return found

    def _value(self, window: Counts, column: int) -> float:
        measure = self._reference.measure
        place = int(window.sketch.sums[column].sum()) / int(window.present[column])
        return float(measure.centre[column] + measure.step[column] * place)


class _Column:
    def __init__(self, profile: NumericProfile | CategoricalProfile, clump: Clump, counts: tuple[int, ...]) -> None:
        self.name = profile.name
        self.bins = len(counts)
        self._shares: Float64 = np.array(counts, dtype=np.float64) / max(sum(counts), 1)
        self._effect = np.array([max(clump.low, clump.high)])
        self._never = clump.flat == 0 and profile.rows > 0

    def chance(self, rows: int, usual: float) -> float:
        """That so many rows have one value; 1 where it is not judged."""
        if rows < LEAST_ROWS or not self._never:
            return 1.0
        independent = rows / scaled(self._effect, np.array([float(rows)]), usual)
        return float((self._shares**independent).sum())


def _one_value(window: Counts) -> Mask:
    """Numeric columns whose values all lie in one fine bin, and there in one place of the grid: n·Σx² = (Σx)², in whole
    numbers. A place alone says little where a rare sentinel stretches the grid.

    Those clipped to the end of the grid may differ, so values beyond the range don't count.
    """
    sketch = window.sketch
    inside: Mask = sketch.outside.sum(axis=0) < window.present
    inside &= (sketch.counts[:, 1:] > 0).sum(axis=1) == 1
    sums: list[int] = sketch.sums.sum(axis=1).tolist()
    present: Int64 = window.present
    squares = zip(sketch.total_squares(), sums, present.tolist(), strict=True)
    same: Mask = np.array([square * n == total**2 for square, total, n in squares], dtype=np.bool_)
    return inside & same


def _finding(name: str, value: float | None) -> Finding:
    return Finding(feature=name, kind="flat", value=value, expected=None, low=None, high=None, severity="major")
