"""Simulated features: what a reference of R rows says of them, and what is true of them.

Quantile bins of R rows hold R/20 each, and the true shares lie about these as Dirichlet(R·p). So a numeric feature is
its bins' bounds as normal scores, whatever its distribution, and what a change does to it is exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from services.drift_detection.domain.detector.bets import level_bets, numeric_bets
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.rates import missing_bets, range_bets, rate_bets
from services.drift_detection.domain.detector.stream import Stream

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
BINS = 20


@dataclass(frozen=True)
class Change:
    """What is different from now on: `shift` in standard deviations, `spread` a factor on them, `zeros` and `missing`
    shares of rows, `moved` a share of rows that change their level.
    """

    shift: float = 0.0
    spread: float = 1.0
    zeros: float = 0.0
    missing: float | None = None
    moved: float = 0.0


NOTHING = Change()


@dataclass(frozen=True)
class Numeric:
    """A numeric feature. `bounds` are normal scores [B + 1]: of the least value, the edges and the greatest."""

    rows: int
    counts: Int64
    bounds: Float64
    missing: float = 0.0
    missed: int = 0

    @classmethod
    def draw(cls, rng: np.random.Generator, rows: int, bins: int = BINS, missing: float = 0.0) -> "Numeric":
        """A reference of so many rows."""
        missed = int(rng.binomial(rows, missing))
        known = rows - missed
        counts = np.diff(np.arange(bins + 1) * known // bins)
        truth = rng.dirichlet(counts.astype(float))
        beyond = rng.exponential(size=2) / known
        ranks = np.cumsum([0, *truth])
        ranks[0], ranks[-1] = beyond[0], 1 - beyond[1]
        return cls(rows, counts, norm.ppf(ranks), missing, missed)

    def stream(self, name: str, budget: Budget) -> Stream:
        known = self.rows - self.missed
        return Stream(
            name,
            numeric_bets(self.counts, 1.0, 1.0, budget),
            missing_bets(self.missed, self.rows, 1.0, budget),
            rate_bets(0, known, 1.0, budget),
            range_bets(known, 1.0, budget),
        )

    def cells(self, change: Change) -> Float64:
        """True shares [B + 2] of: below the range, the bins, above it."""
        return np.diff(np.concatenate([[0.0], norm.cdf((self.bounds - change.shift) / change.spread), [1.0]]))


@dataclass(frozen=True)
class Levels:
    """A categorical feature by its pooled counts and true shares [B]."""

    rows: int
    counts: Int64
    truth: Float64

    @classmethod
    def draw(cls, rng: np.random.Generator, rows: int, shares: Float64) -> "Levels":
        """A reference of so many rows of these true shares; the last level is "rare or unseen"."""
        return cls(rows, rng.multinomial(rows, shares), shares)

    def stream(self, name: str, budget: Budget) -> Stream:
        return Stream(name, level_bets(self.counts, self.rows, 1.0, budget), missing_bets(0, self.rows, 1.0, budget))

    def cells(self, change: Change) -> Float64:
        """A total variation of `moved` from the most frequent level to the second."""
        shares = self.truth.copy()
        shares[0] -= change.moved
        shares[1] += change.moved
        return shares


def zipf(levels: int) -> Float64:
    shares = 1 / np.arange(1, levels + 1)
    return np.asarray(shares / shares.sum())
