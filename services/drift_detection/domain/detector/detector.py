"""All streams of a model: what a pane adds, when it alarms, what is forgotten then."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask
from services.drift_detection.domain.detector.group import Group, GroupState, PaneCounts, When
from services.drift_detection.domain.detector.rule import Rule

State = tuple[GroupState, ...]
Pane = tuple[PaneCounts, ...]


@dataclass(frozen=True)
class Alarm:
    """`named` bool [F] of all streams in the order of the groups; `ln_evidence` float64 [F]."""

    named: Mask
    ln_evidence: Float64


class Detector:
    """Groups of streams under one rule."""

    def __init__(self, groups: Sequence[Group], rule: Rule) -> None:
        self.groups = tuple(groups)
        self.rule = rule
        self._ends = np.cumsum([len(group.streams) for group in groups])

    def start(self) -> State:
        """Before the first pane."""
        return tuple(group.start() for group in self.groups)

    def step(self, state: State, pane: Pane, when: When) -> tuple[State, State, Alarm | None]:
        """The state that a pane gives, the same after the reset that its alarm asks for, and the alarm."""
        parts = zip(self.groups, state, pane, strict=True)
        stepped = tuple(group.step(one, counts, when) for group, one, counts in parts)
        evidence = np.concatenate([group.ln_evidence(one) for group, one in zip(self.groups, stepped, strict=True)])
        if not self.rule.alarms(evidence):
            return stepped, stepped, None
        named, anew = self.rule.judge(evidence)
        split = zip(self.groups, stepped, np.split(anew, self._ends[:-1]), strict=True)
        return stepped, tuple(group.reset(one, part) for group, one, part in split), Alarm(named, evidence)
