"""Streams of one shape, all stepped at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bets import Float64
from services.drift_detection.domain.detector.rates import RateBets
from services.drift_detection.domain.detector.stream import MOST_RATES, Stream
from shared.reference.panes import Int64

Mask = NDArray[np.bool_]
_MEMORY = 0.8  # of the adaptive bet, over n0 rows
_NEVER = -np.inf


@dataclass(frozen=True)
class PaneCounts:
    """One pane of N streams: `rows` int64 [N], `bins` int64 [N, B] of the rows not missing, `events` int64 [N, 3]:
    missing, exact zeros, out of range. `compared`, `jumped`, `flat` bool [N]: whether there is an earlier pane to
    compare with, and what came of it.
    """

    rows: Int64
    bins: Int64
    events: Int64
    compared: Mask
    adjacent: Mask
    jumped: Mask
    flat: Mask


@dataclass(frozen=True)
class GroupState:
    """`ln_r` float64 [N, J], a bet a column. `recent` float64 [N, B]: counts that fade by .8 each n0 rows. `run`
    float64 [N, J]: the greatest evidence of one beginning, which was the step at `since` int64 [N, J].
    """

    ln_r: Float64
    recent: Float64
    run: Float64
    since: Int64


class Group:
    """N streams; see `Stream.log_weights` for the order of their bets."""

    def __init__(self, streams: Sequence[Stream], nominal: int) -> None:
        self.streams = tuple(streams)
        self.nominal = nominal
        self.width = max((len(stream.bins.p) for stream in streams), default=1)
        self.fixed = max((len(stream.bins.ratios) for stream in streams), default=0)
        count = len(self.streams)
        self.p: Float64 = np.zeros((count, self.width))
        self._gains: Float64 = np.zeros((count, self.width, self.fixed))
        self._margins: Float64 = np.zeros((count, self.fixed))
        self.ln_weights: Float64 = np.full((count, self.fixed + 2 + 4 * MOST_RATES), _NEVER)
        for number, stream in enumerate(self.streams):
            self._fill(number, stream)
        self._phi = np.array([stream.bins.phi for stream in streams])
        self._phi_any = np.array([stream.bins.phi_any for stream in streams])
        self._adaptive = np.array([stream.bins.adaptive or 0.0 for stream in streams])
        self._rates = _Rates([stream.rates for stream in streams], 3)
        self._stuck = _Rates([(stream.stuck,) for stream in streams], 1)
        self._jump = np.array([stream.jump or 0.0 for stream in streams])
        self._real = self.p > 0

    def _fill(self, number: int, stream: Stream) -> None:
        bins = stream.bins
        self.p[number, : len(bins.p)] = bins.p
        self._gains[number, : len(bins.p), : len(bins.ratios)] = np.log(bins.ratios).T
        self._margins[number, : len(bins.ratios)] = bins.margins
        self.ln_weights[number] = stream.log_weights(self.fixed)

    def start(self) -> GroupState:
        """Before the first pane."""
        shape = self.ln_weights.shape
        return GroupState(
            np.full(shape, _NEVER), np.zeros(self.p.shape), np.full(shape, _NEVER), np.zeros(shape, np.int64)
        )

    def step(self, state: GroupState, pane: PaneCounts, time: int) -> GroupState:
        """Take in a pane; streams without rows in it stay as they are, and bets on values where it has no values."""
        gain = np.concatenate([self._bin_gains(state, pane), self._rate_gains(pane), self._change_gains(pane)], axis=1)
        changes = 1 + MOST_RATES
        start: Float64 = np.zeros(gain.shape)
        with np.errstate(divide="ignore"):
            start[:, :-changes] = np.log(np.minimum(1.0, pane.rows / self.nominal))[:, None]
        stepped = self._stepped(pane)
        since = np.where(stepped & ~(state.run > 0), time, state.since)
        return GroupState(
            np.where(stepped, np.logaddexp(start, state.ln_r) + gain, state.ln_r),
            self._faded(state.recent, pane) + pane.bins,
            np.where(stepped, np.maximum(state.run, 0.0) + gain, state.run),
            since,
        )

    def _stepped(self, pane: PaneCounts) -> Mask:
        """Which bets the pane settles, bool [N, J]. Those that nothing can speak against would only grow."""
        blocks = [self.fixed + 1, MOST_RATES, 2 * MOST_RATES, 1, MOST_RATES]
        valued = pane.bins.any(axis=1)
        settled = np.stack([valued, pane.rows > 0, valued, pane.compared, pane.adjacent], axis=1)
        return np.repeat(settled, blocks, axis=1)

    def _faded(self, recent: Float64, pane: PaneCounts) -> Float64:
        kept: Float64 = _MEMORY ** (pane.bins.sum(axis=1, keepdims=True) / self.nominal)
        faded: Float64 = recent * kept
        return faded

    def _bin_gains(self, state: GroupState, pane: PaneCounts) -> Float64:
        present = pane.bins.sum(axis=1)
        fixed = (pane.bins[:, None, :] @ self._gains)[:, 0, :] - present[:, None] * self._margins
        before = state.recent
        prior = 2 * self.nominal
        ratio = (prior * self.p + before) / (prior + before.sum(axis=1, keepdims=True))
        ratio = np.divide(ratio, self.p, out=np.ones_like(ratio), where=self._real)
        chi = np.sqrt((np.square(ratio - 1) * self.p).sum(axis=1))
        learnt = (pane.bins * np.log(ratio)).sum(axis=1) - present * self._adaptive * chi
        return np.concatenate([fixed / self._phi[:, None], (learnt / self._phi_any)[:, None]], axis=1)

    def _rate_gains(self, pane: PaneCounts) -> Float64:
        present = pane.bins.sum(axis=1)
        return self._rates.gains(pane.events, np.stack([pane.rows, present, present], axis=1))

    def _change_gains(self, pane: PaneCounts) -> Float64:
        jump = np.where(pane.jumped, self._jump, _NEVER)[:, None]
        stuck = self._stuck.gains(pane.flat[:, None].astype(np.int64), np.ones((len(jump), 1), np.int64))
        return np.concatenate([jump, stuck], axis=1)

    def reset(self, state: GroupState, named: Mask) -> GroupState:
        """Forget what streams bool [N] have gathered."""
        fresh, rows = self.start(), named[:, None]
        return GroupState(
            *(np.where(rows, new, old) for new, old in zip(vars(fresh).values(), vars(state).values(), strict=True))
        )

    def ln_evidence(self, state: GroupState) -> Float64:
        """ln M float64 [N]: the bets' weighted sum; -inf before the first pane."""
        weighted = self.ln_weights + state.ln_r
        top = weighted.max(axis=1)
        safe = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(safe + np.log(np.exp(weighted - safe[:, None]).sum(axis=1)))


class _Rates:
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
