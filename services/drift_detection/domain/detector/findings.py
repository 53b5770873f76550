"""What an alarm says of each stream it names: by which bet, since when, how large, how important."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.drift_detection.domain.detector import effects
from services.drift_detection.domain.detector.bank import Bank, Step
from services.drift_detection.domain.detector.bets import SIZES
from services.drift_detection.domain.detector.detector import Alarm
from services.drift_detection.domain.detector.effects import Effect, Mix, shares
from services.drift_detection.domain.detector.stream import MOST_RATES
from shared.events import DriftedFeature, DriftRule
from shared.reference import CategoricalProfile, NumericProfile
from shared.reference.panes import moment

_RATES: Sequence[DriftRule] = ("missing", "zeros", "range")
_BESIDE = 20  # times F: the evidence of a stream that moved beside an alarm
_MOST = 700.0  # ln of what a float64 can hold


class Findings:
    """Reads the steps of one bank."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def named(self, step: Step) -> tuple[DriftedFeature, ...]:
        """What the step's alarm names, the greatest effect on the most important feature first."""
        return () if step.alarm is None else self._tell(step, np.flatnonzero(step.alarm.named).tolist(), beside=False)

    def beside(self, step: Step) -> tuple[DriftedFeature, ...]:
        """What moved as well, without being named."""
        if step.alarm is None:
            return ()
        moved = step.alarm.ln_evidence >= np.log(_BESIDE * self._bank.budget.streams)
        moved[: len(self._bank.columns)] |= step.comparison.beside & self._persists()
        return self._tell(step, np.flatnonzero(moved & ~step.alarm.named).tolist(), beside=True)

    def _ln_needed(self, alarm: Alarm, *, beside: bool) -> float:
        """What the evidence of each stream that is told of passed: F·A/k of k that stand out; A if none does."""
        rule, budget = self._bank.detector.rule, self._bank.budget
        if beside:
            return float(np.log(_BESIDE * budget.streams))
        if rule.ln_h is not None:
            return rule.ln_h
        share = budget.streams / alarm.named.sum() if rule.qualified(alarm.ln_evidence).any() else 1
        return float(np.log(budget.steps * share))

    def _persists(self) -> Any:
        return np.array([stream.persists for stream in self._bank.detector.groups[0].streams])

    def _tell(self, step: Step, streams: Sequence[int], *, beside: bool) -> tuple[DriftedFeature, ...]:
        assert step.alarm is not None  # noqa: S101  # or there was nothing to tell
        needed = self._ln_needed(step.alarm, beside=beside)
        told = [self._feature(step, step.alarm, stream, needed, beside=beside) for stream in streams]
        told.sort(key=effects.weight, reverse=True)
        return tuple(told)

    def _feature(self, step: Step, alarm: Alarm, stream: int, ln_needed: float, *, beside: bool) -> DriftedFeature:
        numbers = len(self._bank.columns)
        kind, row = (0, stream) if stream < numbers else (1, stream - numbers)
        profile = self._bank.columns[row] if kind == 0 else self._bank.categorical[row]
        state, group = step.stepped.state[kind], self._bank.detector.groups[kind]
        bet = int(np.argmax(group.ln_weights[row] + state.ln_r[row]))
        jumped = kind == 0 and bool((step.comparison.beside if beside else step.comparison.jumped)[row])
        rule: DriftRule = "jump" if jumped and group.streams[row].persists else _rule(bet, group.fixed, kind)
        width = len(group.streams[row].bins.p)
        mix = Mix(state.expected[row, :width], state.recent[row, :width])
        ln_evidence = float(alarm.ln_evidence[stream])
        jump = rule == "jump"
        return DriftedFeature(
            name=profile.name,
            segment=self._bank.segment_of(kind, row),
            rule=rule,
            statistic=float(step.comparison.z[row]) if jump else ln_evidence,
            threshold=float(self._bank.changes.limits(beside=beside)[row]) if jump else ln_needed,
            evidence=float(np.exp(min(ln_evidence, _MOST))),
            onset=moment(step.start if jump else int(state.since[row, bet])),
            importance=profile.importance,
            **vars(self._effect(step, (kind, row), rule, mix)),
            **_histograms(profile, mix),
        )

    def _effect(self, step: Step, place: tuple[int, int], rule: DriftRule, mix: Mix) -> Effect:
        kind, row = place
        profile = self._bank.columns[row] if kind == 0 else self._bank.categorical[row]
        if isinstance(profile, CategoricalProfile) and rule != "missing":
            return effects.shape(mix)
        pane = step.pane[kind]
        if rule in _RATES:
            return effects.share(pane, row, _RATES.index(rule), profile)
        assert isinstance(profile, NumericProfile)  # noqa: S101  # only these have the other rules
        if rule == "jump":
            return effects.jump(float(step.comparison.effect[row]), profile)
        return effects.shift(profile, mix) if rule == "shift" else effects.shape(mix)


def _rule(bet: int, fixed: int, kind: int) -> DriftRule:
    if bet < fixed:
        return "mix" if kind else "shift" if bet < SIZES else "spread"
    if bet == fixed:
        return "shape"
    rate = (bet - fixed - 1) // MOST_RATES
    return _RATES[rate] if rate < len(_RATES) else "stuck"


def _histograms(profile: NumericProfile | CategoricalProfile, mix: Mix) -> dict[str, Any]:
    return {
        "edges": profile.coarse_edges if isinstance(profile, NumericProfile) else (),
        "levels": profile.levels if isinstance(profile, CategoricalProfile) else (),
        "expected": tuple(shares(mix.expected).tolist()),
        "recent": tuple(shares(mix.recent).tolist()),
    }
