"""What the streams of a model share, and what its reference's own error and dispersion take off the bets."""

from dataclasses import dataclass
from functools import lru_cache

from scipy.stats import beta as beta_distribution
from scipy.stats import chi2, gamma, norm

from shared.reference.dispersion import Component, Dispersion

MARGIN = 1.0  # g: at .75 some references gave 13 false alarms in 1,000 windows
_LEVEL = 0.05
_LESS_PROOF = 0.1


@lru_cache(maxsize=1024)  # scipy takes a third of a millisecond, and most profiles ask for the same few
def _chi2(share: float, freedom: float) -> float:
    return float(chi2.ppf(share, freedom))


@dataclass(frozen=True)
class Budget:
    """F `streams`, A `steps` of each in the period of one false alarm, n0 `nominal` rows of a step."""

    streams: int
    steps: float
    nominal: int

    @property
    def normal(self) -> float:
        """z_{1-.05/(8F)}: for bets along one direction, and at the same level for rates."""
        return float(norm.ppf(1 - self.rate_level))

    @property
    def rate_level(self) -> float:
        """.05/(8F)."""
        return _LEVEL / (8 * self.streams)

    def radius(self, bins: int) -> float:
        """√χ²_{B-1; 1-.05/F}: for bets in any direction of B bins; 0 for one bin."""
        return float(_chi2(1 - _LEVEL / self.streams, bins - 1) ** 0.5) if bins > 1 else 0.0

    def dispersion(self, found: Dispersion | None) -> float:
        """φ: by how much the bets are weakened, 1 where rows are as good as independent or it was not assessed.

        The variance of a window of any length, and with dependence the long-run one; of each an upper bound at 95 %.
        """
        if found is None or not found.assessed:
            return 1.0
        lengths = (found, *(one for one in found.shorter if one.assessed))
        beyond = 0.01 / (self.streams * max(2, len(found.components)) * len(lengths))
        long_run = [self._long_run(part, found, beyond) for part in found.components]
        return max([1.0, *long_run, *(_varied(part, one, beyond) for one in lengths for part in one.components)])

    def _long_run(self, part: Component, found: Dispersion, beyond: float) -> float:
        # Rows that vary too much for certain are taken to depend on their past on less proof: few windows give little.
        level = _LESS_PROOF if _varied(part, found, beyond) > 1 else beyond
        if part.dependence <= _chi2(1 - level, found.lags):
            return 1.0
        return _bound(part.long_run, 1.5 * found.windows / (found.lags + 1))

    def upper_rate(self, times: int, rows: int) -> float:
        """p⁺ of a rate that occurred so often (Clopper, Pearson 1934)."""
        return float(beta_distribution.ppf(1 - self.rate_level, times + 1, rows - times)) if times < rows else 1.0

    def lower_rate(self, times: int, rows: int) -> float:
        """p⁻."""
        return float(beta_distribution.ppf(self.rate_level, times, rows - times + 1)) if times else 0.0

    @property
    def beyond_range(self) -> float:
        """Γ⁻¹_{1-.05/(8F)}(2): R times the share that may lie beyond both ends of R rows."""
        return float(gamma.ppf(1 - self.rate_level, 2))


def _varied(part: Component, found: Dispersion, beyond: float) -> float:
    """Over long enough a daily cycle is no variance at all, so that of one window counts by itself."""
    freedom = found.windows - 1
    return _bound(part.variance, freedom) if part.variance > _chi2(1 - beyond, freedom) / freedom else 1.0


def _bound(variance: float, freedom: float) -> float:
    """What a variance with so many degrees of freedom is at most, at 95 %."""
    return float(variance * freedom / _chi2(_LEVEL, freedom))
