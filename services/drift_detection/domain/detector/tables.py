"""The bets of N streams of one shape as arrays: what the counts of a pane add to each."""

from collections.abc import Sequence

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask
from services.drift_detection.domain.detector.rates import RateBets
from services.drift_detection.domain.detector.stream import MOST_RATES, Stream
from shared.reference.panes import Int64


class BinTable:
    """Bets on bins, in one bucket of the season: `p` float64 [N, B], `live` bool [N, J] says which are bets."""

    def __init__(self, streams: Sequence[Stream], bucket: int) -> None:
        bets = [stream.seasons[bucket % len(stream.seasons)] for stream in streams]
        width = max((len(one.p) for one in bets), default=1)
        fixed = max((len(one.ratios) for one in bets), default=0)
        self.p: Float64 = np.zeros((len(bets), width))
        self.live: Mask = np.zeros((len(bets), fixed), np.bool_)
        self._gains: Float64 = np.zeros((len(bets), width, fixed))
        self._margins: Float64 = np.zeros((len(bets), fixed))
        for number, one in enumerate(bets):
            self.p[number, : len(one.p)] = one.p
            self.live[number, : len(one.live)] = one.live
            self._gains[number, : len(one.p), : len(one.ratios)] = np.log(one.ratios).T
            self._margins[number, : len(one.ratios)] = one.margins
        self._phi = np.array([one.phi for one in bets])[:, None]
        self._phi_any = np.array([one.phi_any for one in bets])[:, None]
        self._adaptive = np.array([one.adaptive or 0.0 for one in bets])

    def fixed_gains(self, bins: Int64) -> Float64:
        """What counts int64 [N, B] add to the fixed bets, float64 [N, J]."""
        present = bins.sum(axis=1, keepdims=True)
        return np.asarray(((bins[:, None, :] @ self._gains)[:, 0, :] - present * self._margins) / self._phi)

    def adaptive_gains(self, bins: Int64, learnt: Float64) -> Float64:
        """What they add to a bet on q = p·`learnt`, which need not add up to 1, float64 [N, 1]."""
        total = (self.p * learnt).sum(axis=1, keepdims=True)
        ratio = np.where(self.p > 0, learnt / np.where(total > 0, total, 1.0), 1.0)
        chi = np.sqrt((np.square(ratio - 1) * self.p).sum(axis=1))
        gains = (bins * np.log(ratio)).sum(axis=1) - bins.sum(axis=1) * self._adaptive * chi
        return np.asarray(gains[:, None] / self._phi_any)


class RateTable:
    """K rates of N streams, up to `MOST_RATES` bets each."""

    def __init__(self, rates: Sequence[Sequence[RateBets | None]], kinds: int) -> None:
        shape = (len(rates), kinds, MOST_RATES)
        self._with: Float64 = np.zeros(shape)
        self._without: Float64 = np.zeros(shape)
        self._flipped: Mask = np.zeros(shape[:2], np.bool_)
        for number, row in enumerate(rates):
            for place, bets in enumerate(row):
                if bets is not None:
                    self._with[number, place, : len(bets.with_event)] = bets.with_event
                    self._without[number, place, : len(bets.without)] = bets.without
                    self._flipped[number, place] = bets.flipped

    def gains(self, events: Int64, trials: Int64) -> Float64:
        """What events int64 [N, K] in so many trials add, float64 [N, MOST_RATES·K]."""
        k = np.where(self._flipped, trials - events, events)[:, :, None]
        found: Float64 = k * self._with + (trials[:, :, None] - k) * self._without
        return found.reshape(len(events), found.shape[1] * MOST_RATES)
