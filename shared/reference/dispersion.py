"""How much more the counts of successive rows vary than those of independent rows: for runs, trends, daily cycles.

Only sums of the reference are kept here. What they mean depends on how many streams share the budget; the detector
decides that.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.events.base import Finite, Record
from shared.reference.basis import Float64, directions, smoothed
from shared.reference.panes import Int64

LEAST_WINDOWS = 30
LEAST_OCCURRENCES = 20
LEVELS = 5  # of a categorical feature: the most frequent


class Component(Record):
    """One standardised count over W windows. `variance` is that of one window, `long_run` with its autocovariances
    (Bartlett's weights), both times 1 + n_w/R for the reference's own error. `dependence` is W·Σ autocorrelation².
    """

    variance: Finite = Field(ge=0)
    long_run: Finite
    dependence: Finite = Field(ge=0)


class Dispersion(Record):
    """Of one feature or rate, over `windows` of successive rows, with `lags` autocorrelations."""

    windows: int = Field(ge=0)
    lags: int = Field(ge=0)
    components: tuple[Component, ...]

    @property
    def assessed(self) -> bool:
        """Whether there were windows enough to say anything."""
        return self.windows >= LEAST_WINDOWS


def window_rows(rows: int, nominal: int) -> int:
    """n_w = min(n0, ⌊R/30⌋): rows of one of the windows that R rows are cut into."""
    return min(nominal, rows // LEAST_WINDOWS)


class Cut:
    """R rows in order of time cut into windows of equal length; what is left over at the end is not looked at."""

    def __init__(self, rows: int, length: int) -> None:
        self.length = length
        self.windows = rows // length if length else 0
        self.used = self.windows * length
        self.inflation = 1 + length / rows if rows else 1.0

    def counts(self, bins: Int64, width: int) -> Int64:
        """Counts int64 [W, width] of bins int64 [R]; a bin of -1 counts nowhere."""
        kept = bins[: self.used]
        cells = np.repeat(np.arange(self.windows), self.length) * width + kept
        found = np.bincount(cells[kept >= 0], minlength=self.windows * width)
        return found.reshape(self.windows, width)

    def assess(self, z: Float64) -> Dispersion:
        """The dispersion of standardised counts float64 [W, k]."""
        windows = len(z)
        if windows < LEAST_WINDOWS:
            return Dispersion(windows=windows, lags=0, components=())
        lags = max(4, int(1.5 * np.cbrt(windows) + 1e-9))  # a cube's root may come out just below it
        parts = tuple(_component(column, lags, self.inflation) for column in z.T)
        return Dispersion(windows=windows, lags=lags, components=parts)


def _component(z: Float64, lags: int, inflation: float) -> Component:
    windows, centred = len(z), z - z.mean()
    covariance = np.array([centred[: windows - lag] @ centred[lag:] for lag in range(lags + 1)]) / windows
    if covariance[0] <= 0:
        return Component(variance=0.0, long_run=0.0, dependence=0.0)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return Component(
        variance=float(covariance[0] * windows / (windows - 1) * inflation),
        long_run=float((covariance[0] + 2 * weights @ covariance[1:]) * inflation),
        dependence=float(windows * np.square(covariance[1:] / covariance[0]).sum()),
    )


def numeric_dispersion(bins: Int64, counts: Int64, cut: Cut) -> Dispersion:
    """Of coarse bins int64 [R] (-1 is missing) along `basis.directions`; `counts` int64 [B] are the reference's."""
    basis = directions(smoothed(counts))
    there = cut.counts(bins, len(counts))
    present = np.maximum(there.sum(axis=1, keepdims=True), 1)
    return cut.assess(there @ basis.T / np.sqrt(present))


def bins_dispersion(bins: Int64, counts: Int64, cut: Cut) -> Dispersion:
    """The same of each bin's share: for bets in any direction."""
    there = cut.counts(bins, len(counts))
    present = np.maximum(there.sum(axis=1, keepdims=True), 1)
    return cut.assess(_standard(there, present, smoothed(counts)))


def level_dispersion(bins: Int64, pooled: Int64, cut: Cut) -> Dispersion:
    """Of a categorical feature's bins int64 [R] (-1 is missing): its most frequent levels; `pooled` are its r_b."""
    most = np.argsort(-pooled, kind="stable")[:LEVELS]
    there = cut.counts(bins, len(pooled))
    present = np.maximum(there.sum(axis=1, keepdims=True), 1)
    return cut.assess(_standard(there[:, most], present, smoothed(pooled)[most]))


def rate_dispersion(occurs: NDArray[np.bool_], cut: Cut) -> Dispersion | None:
    """Of an indicator bool [R]; None where it, or its opposite, occurs too seldom."""
    times = int(occurs.sum())
    if min(times, len(occurs) - times) < LEAST_OCCURRENCES:
        return None
    share = np.array([times / len(occurs)])
    return cut.assess(_standard(cut.counts(occurs.astype(np.int64), 2)[:, 1:], np.array([[cut.length]]), share))


def _standard(counts: Int64, rows: Int64, shares: Float64) -> Float64:
    """(c - n·p) / √(n·p·(1 - p)); 0 where p is 1."""
    scale = np.sqrt(rows * shares * (1 - shares))
    return np.divide(counts - rows * shares, scale, out=np.zeros(counts.shape), where=scale > 0)
