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
        return float(chi2.ppf(1 - _LEVEL / self.streams, bins - 1) ** 0.5) if bins > 1 else 0.0

    def dispersion(self, found: Dispersion | None) -> float:
        """φ: by how much the bets are weakened, 1 where rows are as good as independent or it was not assessed.

        With dependence the long-run variance counts, else that of one window; of either an upper bound at 95 %.
        """
        if found is None or not found.assessed:
            return 1.0
        return max((self._of(part, found) for part in found.components), default=1.0)

    def _of(self, part: Component, found: Dispersion) -> float:
        beyond, windows = 0.01 / (self.streams * max(2, len(found.components))), found.windows
        varies = part.variance > _chi2(1 - beyond, windows - 1) / (windows - 1)
        # Rows that vary too much for certain are taken to depend on their past on less proof: few windows give little.
        if part.dependence > _chi2(1 - (_LESS_PROOF if varies else beyond), found.lags):
            freedom = 1.5 * windows / (found.lags + 1)
            return max(1.0, float(part.long_run * freedom / _chi2(_LEVEL, freedom)))
        return float(part.variance * (windows - 1) / _chi2(_LEVEL, windows - 1)) if varies else 1.0

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
