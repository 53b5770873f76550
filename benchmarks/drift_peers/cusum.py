"""CUSUM of standardised window means (Page 1954), two-sided, calibrated to a rate of false alarms.

z = (mean of the window - mean of the reference) / (deviation of the reference / √n); S ← max(0, S + z - k) and the same
of -z; a feature is flagged where one is at least h, then both begin anew. k is half the mean of z under a shift of
SHIFT deviations, for which the rule is then the quickest. Of a categorical feature the share of each level is watched
(the first 20). What the mean does not show it does not see.

h: the average run length of the normal chart, by Brook and Evans' Markov chain (Biometrika 59, 1972), averaged as a
rate over the reference's own error, N(0, n/R) in units of z. So the answer needs no simulation and is the same each
time. Where R is so small that no h up to HIGHEST keeps the rate, the chart says nothing.
"""

import math
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.optimize
import scipy.stats

from benchmarks.drift_peers.data import Block, Float64
from benchmarks.drift_peers.rules import Flags

optimize: Any = scipy.optimize  # its types say that it may give more than it was asked for
SHIFT = 0.05  # deviations
LEVELS = 20
CELLS = 150
HIGHEST = 300.0
FOREVER = 1e12  # steps; beyond it the chain's equations lose their digits


def run_length(h: float, k: float, drift: float = 0.0) -> float:
    """Mean steps of the one-sided chart from 0 to its alarm, z ~ N(drift, 1)."""
    width = 2 * h / (2 * CELLS - 1)
    centres = np.arange(CELLS) * width
    upper = (centres + width / 2)[None, :] - centres[:, None] + k - drift
    below = scipy.stats.norm.cdf(upper)
    moves = np.diff(below, axis=1, prepend=0.0)  # to cell 0 goes all that falls below it
    try:
        length = float(np.linalg.solve(np.eye(CELLS) - moves, np.ones(CELLS))[0])
    except np.linalg.LinAlgError:  # the alarm is never reached
        return FOREVER
    return length if 0 < length < FOREVER else FOREVER


def alarm_rate(h: float, k: float, error: float) -> float:
    """False alarms per step of the two-sided chart, averaged over a reference whose mean is N(0, error²) off."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    rates = [2 / run_length(h, k, error * node) for node in nodes]
    return float(np.dot(rates, weights) / weights.sum())


@cache
def limit(k: float, error: float, rate: float) -> float:
    """The h with this rate per step of a stream; infinite where none has it."""

    def excess(h: float) -> float:
        return math.log(alarm_rate(h, k, error) / rate)

    if excess(HIGHEST) > 0:
        return math.inf
    return float(optimize.brentq(excess, 0.1, HIGHEST, xtol=1e-3))


class Cusum:
    """The chart of every feature.

    `rows` are those of a window as k and h take it, `features` how many there are in all, `per_thousand` the windows
    of 1,000 without a change in which one of them may be flagged.
    """

    def __init__(self, reference: Block, rows: int, features: int, per_thousand: float = 0.5) -> None:
        self._levels = [int(min(column.max() + 1, LEVELS)) for column in reference.codes.T]
        values = self._values(reference)
        self._mean = np.nanmean(values, axis=0)
        self._deviation = np.maximum(np.nanstd(values, axis=0), 1e-12)
        self._k = SHIFT * math.sqrt(rows) / 2
        error = math.sqrt(rows / len(reference.codes))
        streams = features * values.shape[1] / (reference.numeric.shape[1] + len(self._levels))
        self.h = limit(self._k, error, per_thousand / 1_000 / streams)

    def _values(self, rows: Block) -> Float64:
        """A column for each numeric feature and each level of the others; NaN where missing."""
        columns = [rows.numeric.astype(np.float64)]
        for codes, levels in zip(rows.codes.T, self._levels, strict=True):
            shown = (codes[:, None] == np.arange(levels)).astype(np.float64)
            shown[codes < 0] = np.nan
            columns.append(shown)
        return np.concatenate(columns, axis=1)

    def _z(self, window: Block) -> Float64:
        values = self._values(window)
        here = (~np.isnan(values)).sum(axis=0)
        mean = np.nansum(values, axis=0) / np.maximum(here, 1)
        return np.where(here > 0, (mean - self._mean) / self._deviation * np.sqrt(here), 0.0)

    def _features(self, streams: np.ndarray[tuple[int], np.dtype[np.bool_]], numeric: int) -> Flags:
        ends = np.cumsum([0, *self._levels]) + numeric
        levels = [bool(streams[first:last].any()) for first, last in pairwise(ends)]
        return [place for place, seen in enumerate([*streams[:numeric].tolist(), *levels]) if seen]

    def watch(self, windows: Iterable[Block]) -> Iterator[Flags]:
        """The flagged features of each window, from a fresh start."""
        up = np.zeros(len(self._mean))
        down = np.zeros(len(self._mean))
        for window in windows:
            z = self._z(window)
            up = np.maximum(0.0, up + z - self._k)
            down = np.maximum(0.0, down - z - self._k)
            seen = np.maximum(up, down) >= self.h
            up[seen] = down[seen] = 0.0
            yield self._features(seen, window.numeric.shape[1])
