"""What the streams of a model share, and what its reference's own error and dispersion take off the bets."""

from dataclasses import dataclass

from scipy import special

from shared.reference.dispersion import Component, Dispersion

MARGIN = 1.0  # g: at .75 some references gave 13 false alarms in 1,000 windows
_LEVEL = 0.05
_LESS_PROOF = 0.1


def _chi2(share: float, freedom: float) -> float:
    # Not by scipy.stats, here and elsewhere: that takes a second of a service's start, and .3 ms for a quantile.
    return float(2 * special.gammaincinv(freedom / 2, share))


@dataclass(frozen=True)
class Budget:
    """F `streams`, A `steps` of each in the period of one false alarm, n0 `nominal` rows of a step."""

    streams: int
    steps: float
    nominal: int

    @property
    def normal(self) -> float:
        """z_{1-.05/(8F)}: for bets along one direction, and at the same level for rates."""
        return float(special.ndtri(1 - self.rate_level))

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
        if found is None:
            return 1.0
        lengths = [one for one in (found, found.panes, *found.shorter) if one is not None and one.assessed]
        parts = max((len(one.components) for one in lengths), default=0)
        beyond = 0.01 / (self.streams * max(2, parts) * max(1, len(lengths)))
        varied = [_varied(part, beyond) for one in lengths for part in one.components]
        return max([1.0, *varied, *self._long_runs(found, beyond), *self._of_panes(found.panes, beyond)])

    def _long_runs(self, found: Dispersion, beyond: float) -> list[float]:
        return [self._long_run(part, found, beyond) for part in found.components]

    def _of_panes(self, panes: Dispersion | None, beyond: float) -> list[float]:
        """Panes of few rows may seem to depend on each other by chance: only those count that vary too much."""
        if panes is None:
            return []
        over = [part for part in panes.components if _varied(part, beyond) > 1]
        return [part.tail for part in panes.components] + [self._long_run(part, panes, beyond) for part in over]

    def _long_run(self, part: Component, found: Dispersion, beyond: float) -> float:
        # Rows that vary too much for certain are taken to depend on their past on less proof: few windows give little.
        level = _LESS_PROOF if _varied(part, beyond) > 1 else beyond
        if part.dependence <= _chi2(1 - level, found.lags):
            return 1.0
        return _bound(part.long_run, 1.5 * found.windows / (found.lags + 1))

    def upper_rate(self, times: int, rows: int) -> float:
        """p⁺ of a rate that occurred so often (Clopper, Pearson 1934)."""
        return float(special.betaincinv(times + 1, rows - times, 1 - self.rate_level)) if times < rows else 1.0

    def lower_rate(self, times: int, rows: int) -> float:
        """p⁻."""
        return float(special.betaincinv(times, rows - times + 1, self.rate_level)) if times else 0.0

    @property
    def beyond_range(self) -> float:
        """Γ⁻¹_{1-.05/(8F)}(2): R times the share that may lie beyond both ends of R rows."""
        return float(special.gammaincinv(2, 1 - self.rate_level))


def _varied(part: Component, beyond: float) -> float:
    """Over long enough a daily cycle is no variance at all, so that of one window counts by itself."""
    if not part.freedom or part.variance <= _chi2(1 - beyond, part.freedom) / part.freedom:
        return 1.0
    return _bound(part.variance, part.freedom)


def _bound(variance: float, freedom: float) -> float:
    """What a variance with so many degrees of freedom is at most, at 95 %."""
    return float(variance * freedom / _chi2(_LEVEL, freedom))
