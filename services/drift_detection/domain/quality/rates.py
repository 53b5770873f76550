"""Shares of a column's rows that are higher than the reference lets expect: missing, zeros, out of range, unseen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.quality.bounds import Float64, Tail, rate_tail, record_tail, scaled, too_many
from shared.events.quality import Finding, FindingKind
from shared.reference.panes import Int64

Mask = NDArray[np.bool_]
MAJOR = 0.05  # of the rows


class Known(NamedTuple):
    """A column of the reference: `marked` rows of `of`, their design effect, and the greatest share in one pane."""

    name: str
    marked: float
    of: float
    effect: float = 1.0
    most: float = 0.0


class Rate:
    """A kind of rows, over N columns of a reference whose design effects are those of panes of `usual` rows."""

    def __init__(self, kind: FindingKind, columns: Sequence[Known], usual: float) -> None:
        self.number = len(columns)
        self._kind: FindingKind = kind
        self._usual = usual
        self._names = [column.name for column in columns]
        table = np.array([column[1:] for column in columns], dtype=np.float64).reshape(len(columns), 4)
        self._marked, self._of, self._effect, self._most = table.T

    def find(self, marked: Int64, rows: Int64, level: float) -> list[Finding]:
        """Columns whose `marked` of `rows` int64 [N] in a window are too many: at `level` by chance at most.

        Half the level is for the reference's own error, half for the window's. A share that a pane of the reference
        had, too, is none of them.
        """
        here = rows.astype(np.float64)
        effects = (scaled(self._effect, here, self._usual), self._effect)
        tail = rate_tail(here, self._marked, self._of, effects, level / 2)
        return self._judge(marked, here, tail, level / 2)

    def _judge(self, marked: Int64, rows: Float64, tail: Tail, level: float) -> list[Finding]:
        """The bounds are looked for only where there is something to find, which is rare."""
        likely = (
            (marked > self._most * rows) & (marked > 0) & (self._of > 0) & (tail(marked.astype(np.float64)) <= level)
        )
        if not likely.any():
            return []
        return self._findings(likely, marked, rows, np.maximum(too_many(rows, tail, level), self._most * rows + 1))

    def _findings(self, which: Mask, marked: Int64, rows: Float64, bound: Float64) -> list[Finding]:
        expected = self._marked / np.maximum(self._of, 1)
        return [
            share_finding(
                self._kind,
                self._names[column],
                float(marked[column] / rows[column]),
                float(expected[column]),
                float((bound[column] - 1) / rows[column]),
            )
            for column in np.flatnonzero(which).tolist()
        ]


class Records(Rate):
    """Values beyond the range of the reference, of which it has none: the greatest of R is passed by chance alone."""

    def find(self, marked: Int64, rows: Int64, level: float) -> list[Finding]:
        """Columns with too many."""
        here = rows.astype(np.float64)
        tail = record_tail(here, self._of, (scaled(self._effect, here, self._usual), self._effect))
        return self._judge(marked, here, tail, level)


class Forbidden(Rate):
    """Values beyond the definition's range: a single one is too many, unless the reference has some, too."""

    def find(self, marked: Int64, rows: Int64, level: float) -> list[Finding]:
        """Columns with too many."""
        never = (marked > 0) & (self._marked == 0)
        findings = self._findings(never, marked, rows.astype(np.float64), np.ones(len(rows)))
        return findings + super().find(np.where(never, 0, marked), rows, level)


def share_finding(kind: FindingKind, name: str | None, value: float, expected: float, high: float) -> Finding:
    """A share that is too high."""
    severity = "major" if value - expected >= MAJOR else "minor"
    return Finding(feature=name, kind=kind, value=value, expected=expected, low=0.0, high=high, severity=severity)
