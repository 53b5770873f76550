"""How much more the counts of successive rows vary than those of independent rows: for runs, trends, daily cycles.

Only sums of the reference are kept here. What they mean depends on how many streams share the budget; the detector
decides that.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from pydantic import Field

from shared.events.base import Finite, Record
from shared.reference.basis import Float64
from shared.reference.panes import Int64, pane_starts

LEAST_WINDOWS = 30
SHORTER = (5, 25)  # windows of so small a part, too: a daily cycle may fit into one of full length
LEAST_LENGTH = 20
LEAST_EXPECTED = 5  # occurrences in a window: of fewer the variance is not chi-square
RARE = 12.0  # -ln of the chance that the panes that stray furthest are taken for more than chance


class Component(Record):
    """One standardised count over W windows. `variance` is that of one window, `long_run` with its autocovariances
    (Bartlett's weights), both times 1 + n_w/R for the reference's own error. `dependence` is W·Σ autocorrelation².
    `freedom`: degrees of a chi-square that varies as much as the variance does where rows are independent. `tail`, of
    panes: by how much the rarest ones stray further than chance allows, for jobs that come once a day or a week.
    """

    variance: Finite = Field(ge=0)
    long_run: Finite
    dependence: Finite = Field(ge=0)
    freedom: int = Field(ge=0)
    tail: Finite = Field(default=0.0, ge=0)


class Dispersion(Record):
    """Of one feature or rate, over `windows` of successive rows, with `lags` autocorrelations. `shorter`: the same over
    shorter windows; `panes`: over panes of time, which is what the detector steps in.
    """

    windows: int = Field(ge=0)
    lags: int = Field(ge=0)
    components: tuple[Component, ...]
    shorter: tuple["Dispersion", ...] = ()
    panes: "Dispersion | None" = None

    @property
    def assessed(self) -> bool:
        """Whether there were windows enough to say anything."""
        return self.windows >= LEAST_WINDOWS


def window_rows(rows: int, nominal: int) -> int:
    """n_w = min(n0, ⌊R/30⌋): rows of one of the windows that R rows are cut into."""
    return min(nominal, rows // LEAST_WINDOWS)


class Counted(NamedTuple):
    """Standardised counts `z` float64 [W, k] over `rows` int64 [W], of what has such a `kurtosis` [k] in one row;
    `surprise` [W, k]: independent rows exceed x with probability 2·exp(-x) at most.
    """

    z: Float64
    rows: Int64
    kurtosis: Float64
    surprise: Float64


class Cut:
    """R rows in order of time cut into windows of equal length; what is left over at the end is not looked at.

    `least_share`: of what comes less often than this too few are expected in a window.
    """

    def __init__(self, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
        self.windows = rows // length if length else 0
        self.inflation = 1 + length / rows if rows else 1.0
        self.least_share = LEAST_EXPECTED / length if length else 1.0
        self._of: Int64 = np.repeat(np.arange(self.windows), length)

    def counts(self, bins: Int64, width: int) -> Int64:
        """Counts int64 [W, width] of bins int64 [R]; a bin of -1 counts nowhere."""
        kept = bins[: len(self._of)]
        cells = self._of * width + kept
        found = np.bincount(cells[kept >= 0], minlength=self.windows * width)
        return found.reshape(self.windows, width)

    def sums(self, values: Float64) -> Float64:
        """Sums float64 [W, k] of values float64 [R, k]."""
        found: Float64 = np.zeros((self.windows, values.shape[1]))
        for number, column in enumerate(values.T):
            found[:, number] = np.bincount(self._of, column[: len(self._of)], self.windows)
        return found

    def assess(self, found: Counted) -> Dispersion:
        """The dispersion of these counts."""
        z = found.z
        return self._assessed(z - z.mean(axis=0) if len(z) else z, np.full(z.shape[1], len(z) - 1))

    def _assessed(self, z: Float64, freedom: Int64) -> Dispersion:
        windows = len(z)
        if windows < LEAST_WINDOWS:
            return Dispersion(windows=windows, lags=0, components=())
        lags = max(4, int(1.5 * np.cbrt(windows) + 1e-9))  # a cube's root may come out just below it
        columns = zip(z.T, freedom.tolist(), strict=True)
        parts = tuple(_component(column, lags, self.inflation, free) for column, free in columns)
        return Dispersion(windows=windows, lags=lags, components=parts)


class PaneCut(Cut):
    """The same rows by panes of `seconds`, empty ones left out; where these hold less than 20 rows on average, some
    together. Windows of rows hardly show a quiet hour whose rows are of another kind, though it is a step like others.
    Nothing is too rare: a square's variance and its tail take that into account.
    """

    def __init__(self, times: Int64, seconds: int) -> None:
        super().__init__(len(times), 0)
        panes = len(np.unique(pane_starts(times, seconds)))
        together = max(1, -(-LEAST_LENGTH * panes // max(self.rows, 1)))
        starts, self._of = np.unique(pane_starts(times, seconds * together), return_inverse=True)
        self.windows = len(starts)
        self.inflation = 1 + 1 / max(self.windows, 1)
        self.least_share = 0.0

    def assess(self, found: Counted) -> Dispersion:
        """About 0, which is what the bets expect of any pane. The square of z has the variance 2 + (kurtosis - 3)/n."""
        there = found.rows > 0
        panes, fewer = int(there.sum()), float((1 / found.rows[there]).mean()) if there.any() else 0.0
        freedom = (panes / (1 + np.maximum(found.kurtosis - 3, 0) / 2 * fewer)).astype(np.int64)
        assessed = self._assessed(found.z[there], freedom)
        if not assessed.assessed:
            return assessed
        tails = [_tail(column) for column in found.surprise[there].T]
        parts = [part.model_copy(update={"tail": tail}) for part, tail in zip(assessed.components, tails, strict=True)]
        return assessed.model_copy(update={"components": tuple(parts)})


class Cuts(NamedTuple):
    """The same rows by windows of full length and by panes."""

    windows: Cut
    panes: PaneCut | None = None


def at_all_lengths(assess: Callable[[Cut], Dispersion], cuts: Cuts, least: float = LEAST_LENGTH) -> Dispersion:
    """By windows of full length and by shorter ones, down to `least` rows, and by panes."""
    cut = cuts.windows
    lengths = [cut.length // part for part in SHORTER if cut.length // part >= least]
    shorter = tuple(assess(Cut(cut.rows, length)) for length in lengths)
    panes = assess(cuts.panes) if cuts.panes is not None else None
    return assess(cut).model_copy(update={"shorter": shorter, "panes": panes})


def _tail(surprise: Float64) -> float:
    """φ with which bets on the k panes of W that stray furthest would win no more than W/k, the greatest over k.

    Then a step's e-value is 1 on average over the reference at most, however rare and large what comes in a few panes.
    0 if chance gives as much: the k-th largest exceeds ln(2W/k) + 1 + c/k with probability exp(-c) at most.
    """
    panes = len(surprise)
    k = 2 ** np.arange(int(np.log2(max(panes / 4, 1))) + 1)
    largest, usual = -np.sort(-surprise)[k - 1], np.log(panes / k)
    if (largest <= usual + np.log(2) + 1 + RARE / k).all():
        return 0.0
    return float((largest[1:] / usual[1:]).max())


def _component(z: Float64, lags: int, inflation: float, freedom: int) -> Component:
    """Of deviations float64 [W] from what is expected."""
    windows = len(z)
    covariance = np.array([z[: windows - lag] @ z[lag:] for lag in range(lags + 1)]) / windows
    if covariance[0] <= 0:
        return Component(variance=0.0, long_run=0.0, dependence=0.0, freedom=freedom)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return Component(
        variance=float(covariance[0] * windows / (windows - 1) * inflation),
        long_run=float((covariance[0] + 2 * weights @ covariance[1:]) * inflation),
        dependence=float(windows * np.square(covariance[1:] / covariance[0]).sum()),
        freedom=freedom,
    )
