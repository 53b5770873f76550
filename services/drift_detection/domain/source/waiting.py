"""Rows of one window that wait to be counted together: each call of a sketch costs as much as 150 rows or so."""

import numpy as np

from services.drift_detection.domain.source.beside import Answered, Beside
from services.drift_detection.domain.watched import Watched
from shared.features import Float32, Rows
from shared.reference import Sketch

MOST_ROWS = 4096  # about a megabyte of 60 columns


class Waiting:
    """Holds rows, and with them the messages that they came in, until there are many or somebody looks."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Rows] = []
        self._scores: list[Float32] = []
        self._answered: list[Answered] = []
        self._count = 0
        self._watched: Watched | None = None

    def add(self, rows: Rows, scores: Float32, watched: Watched, answered: Answered | None = None) -> bool:
        """Take rows of the one window; whether there are so many now that they should be counted.

        `answered` is what is counted of them beside the sketch, always or never.
        """
        self._rows.append(rows)
        self._scores.append(scores)
        if answered is not None:
            self._answered.append(answered)
        self._watched = watched
        self._count += len(rows)
        return self._count >= MOST_ROWS

    def count_into(self, sketch: Sketch, beside: Beside | None = None) -> None:
        """Count all of them, and let go of them."""
        if self._watched is None:
            return
        rows, scores = self._rows[0], self._scores[0]
        if len(self._rows) > 1:
            numeric = np.concatenate([rows.numeric for rows in self._rows])
            rows = Rows(numeric, np.concatenate([rows.categorical for rows in self._rows]))
            scores = np.concatenate(self._scores)
        sketch.add(rows, scores, self._watched.reference.measure)
        if beside is not None:
            beside.add(self._answered, rows.numeric, self._watched)
        self._clear()

    def __bool__(self) -> bool:
        return self._watched is not None
