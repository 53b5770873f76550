"""Plain rules: what a script with numpy and scipy says of one window, features in their order, numeric ones first.

* p-values: Kolmogorov-Smirnov's two-sample test with its asymptotic distribution (Hodges 1958, as
  `scipy.stats.ks_2samp(method="asymp")`) for numbers, Pearson's chi-square test of two samples (Pearson 1900, as
  `scipy.stats.chi2_contingency(correction=False)`) for categories. Flagged at p < 0.05, or p < 0.05 / features
  (Bonferroni).
* PSI, the population stability index (Siddiqi, Credit Risk Scorecards, 2006), over 10 quantile bins of the reference,
  or its levels. Flagged above 0.1 ("some change") or 0.2 ("large change"), the usual rules of thumb.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.drift_peers.data import Block, Float32, Float64, Int32
from services.drift_detection.domain.statistics import psi

stats: Any = scipy.stats  # it has no types for what its tests give
BINS = 10
Flags = list[int]


class Plain:
    """The p-values and PSI of windows against one reference; NaN where there is nothing to compare."""

    def __init__(self, reference: Block) -> None:
        self._numeric = [_Numbers(column) for column in reference.numeric.T]
        self._categorical = [_Levels(column) for column in reference.codes.T]

    def p_values(self, window: Block) -> Float64:
        """Float64 [F + C]."""
        numeric = [ours.p_value(column) for ours, column in zip(self._numeric, window.numeric.T, strict=True)]
        levels = [ours.p_value(column) for ours, column in zip(self._categorical, window.codes.T, strict=True)]
        return np.array(numeric + levels)

    def psi(self, window: Block) -> Float64:
        """Float64 [F + C]; half a row is added to every bin, so that none is empty."""
        numeric = [ours.psi(column) for ours, column in zip(self._numeric, window.numeric.T, strict=True)]
        levels = [ours.psi(column) for ours, column in zip(self._categorical, window.codes.T, strict=True)]
        return np.array(numeric + levels)


class _Numbers:
    def __init__(self, column: Float32) -> None:
        self._sorted = np.sort(column[~np.isnan(column)])
        places = [len(self._sorted) * part // BINS for part in range(1, BINS)]
        self._edges = np.unique(self._sorted[places])
        self._counts = self._binned(self._sorted)

    def _binned(self, column: Float32) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        places = np.searchsorted(self._edges, column, side="right")
        return np.bincount(places, minlength=len(self._edges) + 1).astype(np.int64)

    def p_value(self, column: Float32) -> float:
        fresh = np.sort(column[~np.isnan(column)])
        if not len(fresh) or not len(self._sorted):
            return float("nan")
        n, m = len(fresh), len(self._sorted)
        upto = np.searchsorted(fresh, fresh, side="right") / n - np.searchsorted(self._sorted, fresh, side="right") / m
        before = np.searchsorted(fresh, fresh) / n - np.searchsorted(self._sorted, fresh) / m
        distance = max(float(upto.max()), float(-before.min()))
        return float(stats.kstwo.sf(distance, np.round(n * m / (n + m))))

    def psi(self, column: Float32) -> float:
        fresh = column[~np.isnan(column)]
        return _psi(self._binned(fresh), self._counts)


class _Levels:
    def __init__(self, column: Int32) -> None:
        self._counts = np.bincount(column[column >= 0]).astype(np.int64)

    def _both(self, column: Int32) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """Counts of the window and the reference, of the levels that either has."""
        fresh = np.bincount(column[column >= 0], minlength=len(self._counts)).astype(np.int64)
        both = np.stack([fresh, np.pad(self._counts, (0, len(fresh) - len(self._counts)))])
        return np.asarray(both[:, both.sum(axis=0) > 0])

    def p_value(self, column: Int32) -> float:
        both = self._both(column)
        if both.shape[1] < 2 or not both.sum(axis=1).all():
            return float("nan")
        return float(stats.chi2_contingency(both, correction=False).pvalue)

    def psi(self, column: Int32) -> float:
        return _psi(*self._both(column))


def _psi(
    fresh: np.ndarray[tuple[int], np.dtype[np.int64]], counts: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> float:
    if not fresh.sum() or not counts.sum():
        return float("nan")
    return float(psi(fresh, counts, np.ones(len(counts), np.bool_)))


def flagged(values: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Flags:
    """Where it is true."""
    return [int(place) for place in np.flatnonzero(values)]


def rule(name: str, plain: Plain, features: int) -> Callable[[Iterable[Block]], Iterator[Flags]]:
    """A rule of RULES on windows; `features` is how many there are in all, also where a window holds fewer."""
    says = RULES[name]
    return lambda windows: (flagged(says(plain, window, features)) for window in windows)


RULES: dict[str, Callable[[Plain, Block, int], np.ndarray[tuple[int], np.dtype[np.bool_]]]] = {
    "p < 0.05": lambda plain, window, _: plain.p_values(window) < 0.05,
    "p < 0.05, Bonferroni": lambda plain, window, features: plain.p_values(window) < 0.05 / features,
    "PSI > 0.1": lambda plain, window, _: plain.psi(window) > 0.1,
    "PSI > 0.2": lambda plain, window, _: plain.psi(window) > 0.2,
}
