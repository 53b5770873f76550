"""How much more the counts of successive rows vary than those of independent rows: for runs, trends, daily cycles.

Only sums of the reference are kept here. What they mean depends on how many streams share the budget; the detector
decides that.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.events.base import Finite, Record
from shared.reference.basis import Float64, directions, smoothed
from shared.reference.panes import Int64

LEAST_WINDOWS = 30
LEAST_OCCURRENCES = 20
LEVELS = 5  # of a categorical feature: the most frequent
SHORTER = (5, 25)  # windows of so small a part, too: a daily cycle may fit into one of full length
LEAST_LENGTH = 20
LEAST_EXPECTED = 5  # occurrences in a window: of fewer the variance is not chi-square


class Component(Record):
    """One standardised count over W windows. `variance` is that of one window, `long_run` with its autocovariances
    (Bartlett's weights), both times 1 + n_w/R for the reference's own error. `dependence` is W·Σ autocorrelation².
    """

    variance: Finite = Field(ge=0)
    long_run: Finite
    dependence: Finite = Field(ge=0)


class Dispersion(Record):
    """Of one feature or rate, over `windows` of successive rows, with `lags` autocorrelations. `shorter`: the same over
    shorter windows.
    """

    windows: int = Field(ge=0)
    lags: int = Field(ge=0)
    components: tuple[Component, ...]
    shorter: tuple["Dispersion", ...] = ()

    @property
    def assessed(self) -> bool:
        """Whether there were windows enough to say anything."""
        return self.windows >= LEAST_WINDOWS


def window_rows(rows: int, nominal: int) -> int:
    """n_w = min(n0, ⌊R/30⌋): rows of one of the windows that R rows are cut into."""
    return min(nominal, rows // LEAST_WINDOWS)


class Split(NamedTuple):
    """R rows by the bucket of their season: `buckets` int64 [R], and what is in each, `counts` int64 [K, B]."""

    buckets: Int64
    counts: Int64


class Cut:
    """R rows in order of time cut into windows of equal length; what is left over at the end is not looked at."""

    def __init__(self, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
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


def at_all_lengths(assess: Callable[[Cut], Dispersion], cut: Cut, least: float = LEAST_LENGTH) -> Dispersion:
    """By windows of full length and by shorter ones, down to `least` rows."""
    lengths = [cut.length // part for part in SHORTER if cut.length // part >= least]
    return assess(cut).model_copy(update={"shorter": tuple(assess(Cut(cut.rows, length)) for length in lengths)})


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


def numeric_dispersion(bins: Int64, split: Split, cut: Cut) -> Dispersion:
    """Of coarse bins int64 [R] (-1 is missing) along `basis.directions` of each bucket."""
    bases = [directions(smoothed(counts)) for counts in split.counts]
    values: Float64 = np.zeros((len(bins), min(len(basis) for basis in bases)))
    for bucket, basis in enumerate(bases):
        rows = (split.buckets == bucket) & (bins >= 0)
        values[rows] = basis[: values.shape[1], bins[rows]].T
    present = np.maximum(cut.counts(np.minimum(bins, 0), 1), 1)
    sums = values[: cut.used].reshape(cut.windows, cut.length, values.shape[1]).sum(axis=1)
    return cut.assess(sums / np.sqrt(present))


def bins_dispersion(bins: Int64, split: Split, cut: Cut) -> Dispersion:
    """The same of each bin's share: for bets in any direction."""
    there = cut.counts(bins, split.counts.shape[1])
    rows = cut.counts(np.where(bins >= 0, split.buckets, -1), len(split.counts))
    shares = np.array([smoothed(counts) for counts in split.counts])
    return cut.assess(_standard(there, rows @ shares, rows @ (shares * (1 - shares))))


def level_dispersion(bins: Int64, pooled: Int64, cut: Cut) -> Dispersion:
    """Of a categorical feature's bins int64 [R] (-1 is missing): its most frequent levels; `pooled` are its r_b."""
    most = np.argsort(-pooled, kind="stable")[:LEVELS]
    there = cut.counts(bins, len(pooled))
    present = np.maximum(there.sum(axis=1, keepdims=True), 1)
    shares = smoothed(pooled)[most]
    return cut.assess(_standard(there[:, most], present * shares, present * (shares * (1 - shares))))


def rate_dispersion(occurs: NDArray[np.bool_], cut: Cut) -> Dispersion | None:
    """Of an indicator bool [R]; None where it, or its opposite, occurs too seldom."""
    times = int(occurs.sum())
    if min(times, len(occurs) - times) < LEAST_OCCURRENCES:
        return None
    share = times / len(occurs)

    def assess(part: Cut) -> Dispersion:
        counts = part.counts(occurs.astype(np.int64), 2)[:, 1:]
        expected = np.full(counts.shape, part.length * share)
        return part.assess(_standard(counts, expected, expected * (1 - share)))

    return at_all_lengths(assess, cut, max(LEAST_LENGTH, LEAST_EXPECTED / min(share, 1 - share)))


def _standard(counts: Int64, expected: Float64, variance: Float64) -> Float64:
    """(c - n·p) / √(n·p·(1 - p)); 0 where p is 1."""
    scale = np.sqrt(variance)
    return np.divide(counts - expected, scale, out=np.zeros(counts.shape), where=scale > 0)
