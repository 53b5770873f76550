"""Simulated features: what a reference of R rows says of them, and what is true of them.

Quantile bins of R rows hold R/20 each, and the true shares lie about these as Dirichlet(R·p). So a numeric feature is
its bins' bounds as normal scores, whatever its distribution, and what a change does to it is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from services.drift_detection.domain.detector.bets import level_bets, numeric_bets
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.rates import missing_bets, range_bets, rate_bets
from services.drift_detection.domain.detector.stream import Stream
from shared.reference.bins import COARSE, kept_levels, pooled_counts
from shared.reference.dispersion import Cut, Dispersion, window_rows
from shared.reference.variation import Split, bins_dispersion, numeric_dispersion

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """What is different from now on: `shift` in standard deviations, `spread` a factor on them, `zeros` and `missing`
    shares of rows, `moved` a share of rows that go from the most frequent level to the second.
    """

    shift: float = 0.0
    spread: float = 1.0
    zeros: float | None = None
    missing: float | None = None
    moved: float = 0.0


NOTHING = Change()


@dataclass(frozen=True)
class Numeric:
    """A numeric feature. `bounds` are normal scores [B + 1]: of the least value, the edges and the greatest. `missing`
    and `zeros` are true shares, `missed` and `zeroed` the reference's counts; zeros lie in the middle bin.
    """

    rows: int
    counts: Int64
    bounds: Float64
    missing: float = 0.0
    missed: int = 0
    zeros: float = 0.0
    zeroed: int = 0
    dispersion: Dispersion | None = None
    bins_dispersion: Dispersion | None = None

    @classmethod
    def draw(
        cls, rng: np.random.Generator, rows: int, *, bins: int = COARSE, missing: float = 0.0, zeros: float = 0.0
    ) -> "Numeric":
        """A reference of so many rows."""
        missed = int(rng.binomial(rows, missing))
        zeroed = int(rng.binomial(rows - missed, zeros))
        known = rows - missed - zeroed
        counts = np.diff(np.arange(bins + 1) * known // bins)
        ranks = np.cumsum([0.0, *rng.dirichlet(counts.astype(np.float64))])
        beyond = rng.exponential(size=2) / known
        ranks[0], ranks[-1] = (beyond[0], 1 - beyond[1]) if bins > 1 else (0.0, 1.0)
        counts[bins // 2] += zeroed
        return cls(rows, counts, norm.ppf(ranks), missing, missed, zeros, zeroed)

    @classmethod
    def wandering(cls, rng: np.random.Generator, shifts: Float64, per_window: int, nominal: int) -> "Numeric":
        """Whose mean wanders: `shifts` of the reference's windows in order of time, each of so many rows."""
        bounds = norm.ppf(np.linspace(0, 1, COARSE + 1)) * np.sqrt(1 + shifts.var())
        bounds[0], bounds[-1] = -5.0, 5.0
        cells = np.diff(norm.cdf(bounds[None, :] - shifts[:, None]), axis=1)
        windows = rng.multinomial(per_window, cells / cells.sum(axis=1, keepdims=True))
        bins = np.concatenate([rng.permutation(np.repeat(np.arange(COARSE), row)) for row in windows])
        counts = windows.sum(axis=0)
        cut = Cut(len(bins), window_rows(len(bins), nominal))
        plain, split = cls(len(bins), counts, bounds), Split(np.zeros(len(bins), np.int64), counts[None, :])
        return replace(
            plain,
            dispersion=numeric_dispersion(bins, split, cut),
            bins_dispersion=bins_dispersion(bins, split, cut),
        )

    def stream(self, budget: Budget) -> Stream:
        """What the detector bets on it."""
        known, phi = self.rows - self.missed, budget.dispersion(self.dispersion)
        return Stream(
            "",
            (numeric_bets(self.counts, phi, budget.dispersion(self.bins_dispersion), budget),),
            missing_bets(self.missed, self.rows, 1.0, budget),
            rate_bets(self.zeroed, known, 1.0, budget),
            range_bets(known, phi, budget),
        )

    def cells(self, change: Change) -> Float64:
        """True shares [B + 2], of what is no zero, of: below the range, the bins, above it."""
        inner = norm.cdf((self.bounds - change.shift) / change.spread)
        return np.diff(np.concatenate([[0.0], inner, [1.0]]))


@dataclass(frozen=True)
class Levels:
    """A categorical feature by the reference's pooled counts and the true shares [B]."""

    rows: int
    counts: Int64
    truth: Float64

    @classmethod
    def draw(cls, rng: np.random.Generator, rows: int, shares: Float64) -> "Levels":
        """A reference of so many rows of these true shares; rare levels share the last bin."""
        counts = rng.multinomial(rows, shares).tolist()
        kept = kept_levels(counts)
        own = shares[list(kept)]
        return cls(rows, np.array(pooled_counts(counts, kept)), np.append(own, 1 - own.sum()))

    def stream(self, budget: Budget) -> Stream:
        """What the detector bets on it."""
        return Stream("", (level_bets(self.counts, self.rows, 1.0, budget),), missing_bets(0, self.rows, 1.0, budget))

    def cells(self, change: Change) -> Float64:
        """True shares of the bins."""
        shares = np.maximum(self.truth, 0.0)
        shares[0] -= change.moved
        shares[1] += change.moved
        return np.asarray(shares / shares.sum(), dtype=np.float64)


def zipf(levels: int, power: float = 1.0) -> Float64:
    """Shares of so many levels, each the less the later."""
    shares: Float64 = 1 / np.arange(1, levels + 1) ** power
    return np.asarray(shares / shares.sum(), dtype=np.float64)


@dataclass(frozen=True)
class World:
    """The features of one model."""

    numeric: Sequence[Numeric]
    levels: Sequence[Levels]


def plain_world(
    rng: np.random.Generator, rows: int, *, missing: float = 0.0, numeric: int = 45, levels: int = 5
) -> World:
    """Ordinary features; 45 numeric and 5 categorical ones of ten levels."""
    return World(
        [Numeric.draw(rng, rows, missing=missing) for _ in range(numeric)],
        [Levels.draw(rng, rows, zipf(10)) for _ in range(levels)],
    )


def odd_world(rng: np.random.Generator, rows: int) -> World:
    """Constant, bounded, rarely missing and ordinary features; categories most of which are rare."""
    constant = [Numeric.draw(rng, rows, bins=1) for _ in range(10)]
    bounded = [Numeric.draw(rng, rows, bins=2 + number % 2, zeros=0.3) for number in range(10)]
    missing = [Numeric.draw(rng, rows, missing=(1 + number % 4) / rows) for number in range(10)]
    ordinary = [Numeric.draw(rng, rows) for _ in range(15)]
    return World([*constant, *bounded, *missing, *ordinary], [Levels.draw(rng, rows, zipf(300)) for _ in range(5)])
