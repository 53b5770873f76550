"""Streams of one shape, all stepped at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask
from services.drift_detection.domain.detector.stream import MOST_RATES, Stream
from services.drift_detection.domain.detector.tables import BinTable, RateTable
from shared.reference.panes import Int64

_MEMORY = 0.8  # of the adaptive bet, over n0 rows
_NEVER = -np.inf


@dataclass(frozen=True)
class PaneCounts:
    """One pane of N streams: `rows` int64 [N], `bins` int64 [N, B] of the rows not missing, `events` int64 [N, 3]:
    missing, exact zeros, out of range. `compared`, `adjacent`, `jumped`, `flat` bool [N]: whether there is an earlier
    pane to compare with, and just before it, and what came of it.
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
    """`ln_r` float64 [N, J], a bet a column. `recent` float64 [N, B]: counts that fade by .8 each n0 rows; `expected`
    those that the reference has for as many rows. `run` float64 [N, J]: the greatest evidence of one beginning, which
    was the pane at `since` int64 [N, J].
    """

    ln_r: Float64
    recent: Float64
    expected: Float64
    run: Float64
    since: Int64


class When(NamedTuple):
    """The start of a pane, and the bucket of the season it lies in."""

    start: int
    bucket: int = 0


class Group:
    """N streams; see `Stream.log_weights` for the order of their bets."""

    def __init__(self, streams: Sequence[Stream], nominal: int) -> None:
        self.streams = tuple(streams)
        self.nominal = nominal
        self._tables = [BinTable(streams, bucket) for bucket in range(_buckets(streams))]
        self.p: Float64 = np.mean([table.p for table in self._tables], axis=0)
        self.width, self.fixed = self.p.shape[1], self._tables[0].live.shape[1]
        self.ln_weights: Float64 = np.full((len(self.streams), self.fixed + 2 + 4 * MOST_RATES), _NEVER)
        for number, stream in enumerate(self.streams):
            self.ln_weights[number] = stream.log_weights(self.fixed)
        self._rates = RateTable([stream.rates for stream in streams], 3)
        self._stuck = RateTable([(stream.stuck,) for stream in streams], 1)
        self._jump = np.array([stream.jump or 0.0 for stream in streams])

    def start(self) -> GroupState:
        """Before the first pane."""
        shape = self.ln_weights.shape
        return GroupState(
            np.full(shape, _NEVER),
            np.zeros(self.p.shape),
            np.zeros(self.p.shape),
            np.full(shape, _NEVER),
            np.zeros(shape, np.int64),
        )

    def step(self, state: GroupState, pane: PaneCounts, when: When) -> GroupState:
        """Take in a pane; streams without rows in it stay as they are."""
        table = self._tables[when.bucket % len(self._tables)]
        bins = [table.fixed_gains(pane.bins), table.adaptive_gains(pane.bins, self._learnt(state))]
        gain = np.concatenate([*bins, self._rate_gains(pane), self._change_gains(pane)], axis=1)
        stepped, start = self._stepped(pane, table), self._start(pane, gain.shape)
        kept: Float64 = _MEMORY ** (pane.bins.sum(axis=1, keepdims=True) / self.nominal)
        return GroupState(
            np.where(stepped, np.logaddexp(start, state.ln_r) + gain, state.ln_r),
            state.recent * kept + pane.bins,
            state.expected * kept + pane.bins.sum(axis=1, keepdims=True) * table.p,
            np.where(stepped, np.maximum(state.run, 0.0) + gain, state.run),
            np.where(stepped & ~(state.run > 0), when.start, state.since),
        )

    def _stepped(self, pane: PaneCounts, table: BinTable) -> Mask:
        """Which bets the pane settles, bool [N, J]. Those that nothing can speak against would only grow."""
        blocks = [self.fixed + 1, MOST_RATES, 2 * MOST_RATES, 1, MOST_RATES]
        valued = pane.bins.any(axis=1)
        settled = np.stack([valued, pane.rows > 0, valued, pane.compared, pane.adjacent], axis=1)
        stepped = np.repeat(settled, blocks, axis=1)
        stepped[:, : self.fixed] &= table.live
        return stepped

    def _start(self, pane: PaneCounts, shape: tuple[int, ...]) -> Float64:
        """ln π: a pane of few rows starts a bet in part only; changes from pane to pane start in full."""
        start: Float64 = np.zeros(shape)
        with np.errstate(divide="ignore"):
            start[:, : -1 - MOST_RATES] = np.log(np.minimum(1.0, pane.rows / self.nominal))[:, None]
        return start

    def _learnt(self, state: GroupState) -> Float64:
        """How much more frequent each bin was of late than the reference has it, float64 [N, B]."""
        prior = 2 * self.nominal * self.p
        below = prior + state.expected
        return np.divide(prior + state.recent, below, out=np.ones_like(below), where=below > 0)

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


def _buckets(streams: Sequence[Stream]) -> int:
    return max((len(stream.seasons) for stream in streams), default=1)
