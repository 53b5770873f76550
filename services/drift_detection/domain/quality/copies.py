"""Rows that came more than once under other ids: each of them in a window, or those of the window before."""

import hashlib

import numpy as np
from scipy import special

from services.drift_detection.domain.quality.bounds import Float64
from services.drift_detection.domain.quality.counts import Counts
from shared.events.quality import Finding, FindingKind
from shared.reference import Clumps, Reference, Sketch
from shared.reference.clumps import LEAST_ROWS
from shared.reference.panes import Int64

NUMBER = 2  # of checks


def content(sketch: Sketch) -> str:
    """Equal for sketches of the same rows, in any order."""
    return hashlib.sha256(sketch.content()).hexdigest()[:32]


def find_copies(
    window: Counts, before: str | None, reference: Reference, clumps: Clumps, level: float
) -> list[Finding]:
    """Whether all rows are doubled, or repeat the window before whose `content` that is.

    Not judged in windows of less than 10 rows, and where the reference does so, too.
    """
    rows = window.sketch.rows
    found: list[Finding] = []
    times = _times(window)
    if times > 1 and rows >= LEAST_ROWS and not clumps.doubled and _chance_of_even(window) <= level:
        found.append(_finding("doubled", float(times), 1.0))
    again = before is not None and rows >= LEAST_ROWS and not clumps.repeated and content(window.sketch) == before
    if again and _chance_of_this(window, reference) <= level:
        found.append(_finding("repeated", float(rows), 0.0))
    return found


def _times(window: Counts) -> int:
    """What all counts of the sketch are multiples of."""
    sketch = window.sketch
    return int(np.gcd.reduce(np.concatenate([sketch.counts.reshape(-1), sketch.levels.reshape(-1)])))


def _chance_of_even(window: Counts) -> float:
    """That all counts of a column with K occupied bins are even: 2^-(K-1) at most; of the column with most of them."""
    sketch = window.sketch
    occupied = [int((counts > 0).sum(axis=1).max(initial=0)) for counts in (sketch.counts, sketch.levels)]
    return float(2.0 ** (1 - max(occupied)))


def _chance_of_this(window: Counts, reference: Reference) -> float:
    """That rows of the reference fall just so: the multinomial probability of the least likely column's counts."""
    numeric = zip(window.sketch.counts[:, 1:], (profile.counts for profile in reference.columns), strict=True)
    levels = zip(window.sketch.levels[:, 1:], (profile.level_counts for profile in reference.categorical), strict=True)
    logs = [_log_multinomial(counts[: len(known)], np.array(known)) for counts, known in (*numeric, *levels)]
    return float(np.exp(min(logs, default=0.0)))


def _log_multinomial(counts: Int64, known: Int64) -> float:
    shares: Float64 = (known + 0.5) / (known.sum() + len(known) / 2)
    coefficient = special.gammaln(counts.sum() + 1) - special.gammaln(counts + 1).sum()
    return float(coefficient + (counts * np.log(shares)).sum())


def _finding(kind: FindingKind, value: float, expected: float) -> Finding:
    return Finding(
        feature=None,
        kind=kind,
        value=value,
        expected=expected,
        low=expected,
        high=expected,
        severity="major",
    )
