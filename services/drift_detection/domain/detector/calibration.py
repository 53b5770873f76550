"""Mode C: the threshold of ln M at which streams without any drift alarm no more often than the budget allows.

Only where rows are as good as independent (every φ is 1): there a simulation knows what a stream does by itself.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask, numeric_bets
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.group import Group, PaneCounts, When
from services.drift_detection.domain.detector.rates import missing_bets, range_bets, rate_bets
from services.drift_detection.domain.detector.stream import Stream
from shared.reference.bins import COARSE
from shared.reference.panes import Int64

_STREAMS = 500
_SETTLING = 50  # steps until a stream has forgotten that it began
_PER_ALARM = 20  # stream-steps simulated for each in which the budget has one alarm
_MOST_STEPS = 250_000
_REARM = 2.0  # an alarm counts again once ln M has been this far below
_GRID = np.arange(2.0, 16.0, 0.05)
_SPARE = 3.0  # references differ, and so do features with fewer bins than the simulated ones


class Sample(NamedTuple):
    """What a threshold depends on: the budget, R rows of the reference, and which share of them is missing."""

    budget: Budget
    rows: int
    missing: float


@lru_cache(maxsize=64)
def threshold(sample: Sample) -> float:
    """ln h at which one stream alarms in at most one of 3·A·F steps of n0 rows.

    The same sample gives the same threshold. Budgets of more than some 12,500 are not simulated in full: beyond what
    is, ln h grows as the logarithm of the budget, which is the most it can.
    """
    needed = sample.budget.steps * sample.budget.streams
    simulated = min(needed, _MOST_STEPS / _PER_ALARM)
    steps = int(np.ceil(_PER_ALARM * simulated / _STREAMS))
    rates = _crossings(sample, steps) / (steps * _STREAMS)
    often = np.flatnonzero(rates > 1 / (_SPARE * simulated))
    found = _GRID[min(int(often[-1]) + 1, len(_GRID) - 1)] if len(often) else _GRID[0]
    return float(found + np.log(needed / simulated))


def _crossings(sample: Sample, steps: int) -> Int64:
    """How often streams without drift pass each threshold of the grid."""
    random = np.random.default_rng(20)
    group, truth = _group(sample), _Truth.draw(random, sample)
    state, armed = group.start(), np.ones((_STREAMS, len(_GRID)), np.bool_)
    found: Int64 = np.zeros(len(_GRID), np.int64)
    for step in range(_SETTLING + steps):
        state = group.step(state, truth.pane(random, sample.budget.nominal), When(step))
        evidence = group.ln_evidence(state)[:, None]
        above = evidence >= _GRID
        if step >= _SETTLING:
            found += (above & armed).sum(axis=0)
        armed = (armed & ~above) | (evidence < _GRID - _REARM)
    return found


def _group(sample: Sample) -> Group:
    missed = round(sample.missing * sample.rows)
    known, budget = sample.rows - missed, sample.budget
    counts = np.diff(np.arange(COARSE + 1) * known // COARSE)
    stream = Stream(
        "any",
        (numeric_bets(counts, 1.0, 1.0, budget),),
        missing_bets(missed, sample.rows, 1.0, budget),
        rate_bets(0, known, 1.0, budget),
        range_bets(known, 1.0, budget),
    )
    return Group([stream] * _STREAMS, budget.nominal)


class _Truth(NamedTuple):
    """What is true of each stream: the reference knows it only by so many rows."""

    bins: Float64
    missing: Float64
    outside: Float64

    @classmethod
    def draw(cls, random: np.random.Generator, sample: Sample) -> "_Truth":
        missed = sample.missing * sample.rows
        return cls(
            random.dirichlet(np.full(COARSE, (sample.rows - missed) / COARSE + 0.5), _STREAMS),
            random.beta(missed + 0.5, sample.rows - missed + 0.5, _STREAMS) if missed else np.zeros(_STREAMS),
            random.gamma(2, size=_STREAMS) / sample.rows,
        )

    def pane(self, random: np.random.Generator, rows: int) -> PaneCounts:
        missing = random.binomial(rows, self.missing)
        bins = random.multinomial(rows - missing, self.bins)
        outside = random.binomial(rows - missing, np.minimum(self.outside, 1))
        no: Mask = np.zeros(_STREAMS, np.bool_)
        events = np.stack([missing, np.zeros_like(missing), outside], axis=1)
        return PaneCounts(np.full(_STREAMS, rows), bins, events, no, no, no, no)
