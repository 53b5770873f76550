"""Many simulated models stepped at once: each has its own reference and its own alarms."""

from collections.abc import Sequence

import numpy as np

from benchmarks.drift_statistics.worlds import NOTHING, Change, Float64, Int64, Levels, Numeric, World
from services.drift_detection.domain.detector.bets import Mask
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.calibration import Sample, threshold
from services.drift_detection.domain.detector.group import Group, PaneCounts, When
from services.drift_detection.domain.detector.rule import Rule


def rule(budget: Budget, rows: int, mode: str, missing: float = 0.0) -> Rule:
    """Mode G or C."""
    return Rule(budget, threshold(Sample(budget, rows, missing)) if mode == "C" else None)


class Fleet:
    """M models of the same shape under one rule."""

    def __init__(self, worlds: Sequence[World], rule: Rule) -> None:
        numeric = [feature.stream(rule.budget) for world in worlds for feature in world.numeric]
        levels = [feature.stream(rule.budget) for world in worlds for feature in world.levels]
        self.models, self.rule = len(worlds), rule
        self._groups = [Group(part, rule.budget.nominal) for part in (numeric, levels) if part]
        self._states = [group.start() for group in self._groups]

    def step(self, panes: Sequence[PaneCounts]) -> Mask:
        """Which models alarmed, bool [M]."""
        parts = zip(self._groups, self._states, panes, strict=True)
        self._states = [group.step(state, pane, When(0)) for group, state, pane in parts]
        found = [group.ln_evidence(state) for group, state in zip(self._groups, self._states, strict=True)]
        evidence = np.concatenate([part.reshape(self.models, -1) for part in found], axis=1)
        alarmed = self.rule.alarms(evidence)
        if alarmed.any():
            anew = np.zeros(evidence.shape, np.bool_)
            for model in np.flatnonzero(alarmed).tolist():
                _, anew[model] = self.rule.judge(evidence[model])
            self._reset(anew, [len(part) // self.models for part in found])
        return alarmed

    def _reset(self, anew: Mask, widths: Sequence[int]) -> None:
        split = np.split(anew, np.cumsum(widths)[:-1], axis=1)
        parts = zip(self._groups, self._states, split, strict=True)
        self._states = [group.reset(state, part.reshape(-1)) for group, state, part in parts]


class Truth:
    """What is true of all features of some worlds now, and panes drawn from it."""

    def __init__(self, worlds: Sequence[World]) -> None:
        self._worlds = worlds
        self._numeric = [feature for world in worlds for feature in world.numeric]
        self._levels = [feature for world in worlds for feature in world.levels]
        self._cells = _padded([feature.cells(NOTHING) for feature in self._numeric])
        self._mix = _padded([feature.cells(NOTHING) for feature in self._levels])
        self._missing = np.array([feature.missing for feature in self._numeric])
        self._zeros = np.array([feature.zeros for feature in self._numeric])
        self._ends = np.array([len(feature.counts) for feature in self._numeric])

    def change_first(self, change: Change, *, categorical: bool = False) -> None:
        """Let something happen to the first feature of each world."""
        features: Sequence[Numeric | Levels] = self._levels if categorical else self._numeric
        cells = self._mix if categorical else self._cells
        step = len(features) // len(self._worlds)
        for place in range(0, len(features), step):
            found = features[place].cells(change)
            cells[place, : len(found)] = found
        if change.missing is not None:
            self._missing[::step] = change.missing
        if change.zeros is not None:
            self._zeros[::step] = change.zeros

    def shift(self, shifts: Float64) -> None:
        """Move the mean of each numeric feature by so much [N]."""
        pairs = zip(self._numeric, shifts.tolist(), strict=True)
        self._cells = _padded([feature.cells(Change(shift=shift)) for feature, shift in pairs])

    def draw(self, rng: np.random.Generator, rows: Int64) -> list[PaneCounts]:
        """A pane of so many rows int64 [M] of each world."""
        panes = []
        if self._numeric:
            panes.append(self._numbers(rng, np.repeat(rows, len(self._numeric) // len(rows))))
        if self._levels:
            panes.append(self._mixes(rng, np.repeat(rows, len(self._levels) // len(rows))))
        return panes

    def _numbers(self, rng: np.random.Generator, rows: Int64) -> PaneCounts:
        missing = rng.binomial(rows, self._missing)
        zeros = rng.binomial(rows - missing, self._zeros)
        bins = rng.multinomial(rows - missing - zeros, self._cells)
        every = np.arange(len(rows))
        above = bins[every, self._ends + 1]
        bins[:, 1] += bins[:, 0]
        bins[every, self._ends] += above
        bins[every, 1 + self._ends // 2] += zeros
        outside = bins[:, 0] + above
        inside = bins[:, 1:-1] * (np.arange(bins.shape[1] - 2) < self._ends[:, None])
        return pane(rows, inside, np.stack([missing, zeros, outside], axis=1))

    def _mixes(self, rng: np.random.Generator, rows: Int64) -> PaneCounts:
        return pane(rows, rng.multinomial(rows, self._mix), np.zeros((len(rows), 3), np.int64))


def pane(rows: Int64, bins: Int64, events: Int64) -> PaneCounts:
    """One that is not compared with the pane before."""
    no: Mask = np.zeros(len(rows), np.bool_)
    return PaneCounts(rows, bins, events, no, no, no, no)


def _padded(cells: Sequence[Float64]) -> Float64:
    width = max((len(one) for one in cells), default=0)
    found: Float64 = np.zeros((len(cells), width))
    for number, one in enumerate(cells):
        found[number, : len(one)] = one
    return found
