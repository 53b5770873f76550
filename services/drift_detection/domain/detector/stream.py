"""One stream: all bets on one feature or score of one segment, and what weight each has."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.drift_detection.domain.detector.bets import SHIFT, SPREAD, BinBets, Float64
from services.drift_detection.domain.detector.rates import RateBets

MOST_RATES = 8
PERSISTENT = 4.0  # beyond this dispersion bets on bins are all but deaf, and changes from pane to pane are looked at
# Weights: measured to find small shifts, ramps and a doubled missing share soonest, all else within a window.
_ADAPTIVE, _MISSING, _ZEROS, _OUTSIDE = 0.1, 0.22, 0.05, 0.08
_LEVELS_ADAPTIVE, _LEVELS_MISSING = 0.2, 0.2
_CHANGE = 0.1  # to jump and to stuck each, where a feature persists, from what is bet on its bins
# Among the factors that a rate may have grown by: twice as many missing or still; any zeros where there were none.
_DOUBLED = {1.25: 1.0, 1.5: 2.0, 2.0: 3.0, 4.0: 2.5, 16.0: 0.5, 64.0: 0.25, 256.0: 0.25, 0.5: 1.0}
_APPEARED = {1.25: 0.5, 1.5: 0.5, 2.0: 1.0, 4.0: 1.0, 16.0: 1.5, 64.0: 2.0, 256.0: 2.0}


@dataclass(frozen=True)
class Stream:
    """Bets of one feature, those on its bins in each bucket of the season. Of a categorical one `zeros` and `outside`
    are None. `jump` is what a jump beyond its limit adds to ln R (None: no such bet), `stuck` the bets on panes that
    stand still; both only where it persists.
    """

    name: str
    seasons: tuple[BinBets, ...]
    missing: RateBets
    zeros: RateBets | None = None
    outside: RateBets | None = None
    jump: float | None = None
    stuck: RateBets | None = None

    @property
    def bins(self) -> BinBets:
        """The bets on its bins, in the first bucket."""
        return self.seasons[0]

    @property
    def persists(self) -> bool:
        """Whether rows come in long runs, so that changes from pane to pane are bet on."""
        return self.bins.phi > PERSISTENT and self.zeros is not None

    @property
    def rates(self) -> tuple[RateBets | None, ...]:
        """Missing, zeros, out of range."""
        return (self.missing, self.zeros, self.outside)

    def log_weights(self, fixed: int) -> Float64:
        """ln w of `fixed` bets on bins, the adaptive one, three rates, the jump, the rate of standing still.

        Bets that are not there weigh nothing; within a group all weigh the same, and the sum is 1.
        """
        levels, change = self.zeros is None, _CHANGE if self.persists else 0.0
        bins: Float64 = np.zeros(fixed)
        live = np.any([one.live for one in self.seasons], axis=0)
        bins[: len(live)] = self.bins.weights * live * (1 - 2 * change / (SHIFT + SPREAD))
        parts = [
            bins,
            np.array([(_LEVELS_ADAPTIVE if levels else _ADAPTIVE) if self.bins.adaptive is not None else 0.0]),
            _share(_LEVELS_MISSING if levels else _MISSING, self.missing, _DOUBLED),
            _share(_ZEROS, self.zeros, _APPEARED),
            _share(_OUTSIDE, self.outside, _APPEARED),
            np.array([0.0 if self.jump is None else change]),
            _share(change, self.stuck, _DOUBLED),
        ]
        weights = np.concatenate(parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Float64 = np.log(weights / weights.sum())
        return np.nan_to_num(found, nan=-np.inf, neginf=-np.inf)


def _share(weight: float, rates: RateBets | None, inside: Mapping[float, float]) -> Float64:
    """A weight shared out among bets by their factors."""
    share: Float64 = np.zeros(MOST_RATES)
    if rates is not None:
        share[: len(rates.factors)] = [inside[factor] for factor in rates.factors]
    return share * weight / (share.sum() or 1.0)
