"""Many simulated models stepped at once: each has its own reference and its own alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_statistics.worlds import Float64, Int64, Levels, Numeric
from services.drift_detection.domain.detector.group import Group, Mask, PaneCounts
from services.drift_detection.domain.detector.rule import Rule


@dataclass(frozen=True)
class World:
    """The features of one model."""

    numeric: Sequence[Numeric]
    levels: Sequence[Levels]


class Fleet:
    """M models of the same shape under one rule."""

    def __init__(self, worlds: Sequence[World], rule: Rule) -> None:
        budget = rule.budget
        numeric = [feature.stream("", budget) for world in worlds for feature in world.numeric]
        levels = [feature.stream("", budget) for world in worlds for feature in world.levels]
        self.models = len(worlds)
        self.rule = rule
        self._groups = [Group(part, budget.nominal) for part in (numeric, levels) if part]
        self._states = [group.start() for group in self._groups]

    def step(self, panes: Sequence[PaneCounts]) -> tuple[Mask, Mask]:
        """Which models alarmed, bool [M], and what they named, bool [M, F]."""
        for place, (group, pane) in enumerate(zip(self._groups, panes, strict=True)):
            self._states[place] = group.step(self._states[place], pane, 0)
        parts = [group.ln_evidence(state) for group, state in zip(self._groups, self._states, strict=True)]
        evidence = np.concatenate([part.reshape(self.models, -1) for part in parts], axis=1)
        alarmed = self.rule.alarms(evidence)
        named, anew = np.zeros(evidence.shape, np.bool_), np.zeros(evidence.shape, np.bool_)
        for model in np.flatnonzero(alarmed).tolist():
            named[model], anew[model] = self.rule.judge(evidence[model])
        if alarmed.any():
            self._reset(anew, [part.size // self.models for part in parts])
        return alarmed, named

    def _reset(self, anew: Mask, widths: Sequence[int]) -> None:
        parts = np.split(anew, np.cumsum(widths)[:-1], axis=1)
        for place, (group, part) in enumerate(zip(self._groups, parts, strict=True)):
            self._states[place] = group.reset(self._states[place], part.reshape(-1))


@dataclass
class Truth:
    """What is true of N features now. `cells` float64 [N, B + 2] (numeric) or [N, B]; `missing`, `zeros` shares [N]."""

    cells: Float64
    missing: Float64
    zeros: Float64
    numeric: bool

    def draw(self, rng: np.random.Generator, rows: Int64) -> PaneCounts:
        """A pane of so many rows int64 [N] of each."""
        missing = rng.binomial(rows, self.missing)
        zeros = rng.binomial(rows - missing, self.zeros)
        bins = rng.multinomial(rows - missing - zeros, self.cells)
        outside: Int64 = np.zeros(len(rows), np.int64)
        if self.numeric:
            outside = bins[:, 0] + bins[:, -1]
            bins[:, 1] += bins[:, 0]
            bins[:, -2] += bins[:, -1]
            bins = bins[:, 1:-1]
            bins[:, bins.shape[1] // 2] += zeros
        no: Mask = np.zeros(len(rows), np.bool_)
        return PaneCounts(rows, bins, np.stack([missing, zeros, outside], axis=1), no, no, no, no)
