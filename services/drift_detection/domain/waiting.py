"""Rows of one window that wait to be counted together: each call of a sketch costs as much as 150 rows or so."""

import numpy as np

from shared.features import Float32, Rows
from shared.reference import Measure, Sketch

MOST_ROWS = 4096  # about a megabyte of 60 columns


class Waiting:
    """Holds rows, and with them the messages that they came in, until there are many or somebody looks."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Rows] = []
        self._scores: list[Float32] = []
        self._count = 0
        self._measure: Measure | None = None

    def add(self, rows: Rows, scores: Float32, measure: Measure) -> bool:
        """Take rows of the one window; whether there are so many now that they should be counted."""
        self._rows.append(rows)
        self._scores.append(scores)
        self._measure = measure
        self._count += len(rows)
        return self._count >= MOST_ROWS

    def count_into(self, sketch: Sketch) -> None:
        """Count all of them, and let go of them."""
        if self._measure is None:
            return
        if len(self._rows) == 1:
            sketch.add(self._rows[0], self._scores[0], self._measure)
        else:
            numeric = np.concatenate([rows.numeric for rows in self._rows])
            categorical = np.concatenate([rows.categorical for rows in self._rows])
            sketch.add(Rows(numeric, categorical), np.concatenate(self._scores), self._measure)
        self._clear()

    def __bool__(self) -> bool:
        return self._measure is not None
