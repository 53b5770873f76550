"""When the evidence of all streams together is an alarm, and whom it names: one budget for all."""

from dataclasses import dataclass

import numpy as np

from services.drift_detection.domain.detector.bets import Float64, Mask
from services.drift_detection.domain.detector.budget import Budget

_LN_ONE = float(np.log(1 - 1e-9))  # a jump alone gives just 1


@dataclass(frozen=True)
class Rule:
    """Mode G, guaranteed: at most one false alarm in A steps whatever the streams have to do with each other. Mode C,
    calibrated: the same on average, by a threshold `ln_h` of each stream's ln M.
    """

    budget: Budget
    ln_h: float | None = None

    def alarms(self, evidence: Float64) -> Mask:
        """Whether ln M float64 [..., F] are alarms: (1/F)·Σ M/A ≥ 1, or any ln M ≥ ln h."""
        if self.ln_h is not None:
            return np.asarray((evidence >= self.ln_h).any(axis=-1))
        total = np.logaddexp.reduce(evidence, axis=-1)
        return np.asarray(total - np.log(self.budget.steps * self.budget.streams) >= _LN_ONE)

    def qualified(self, evidence: Float64) -> Mask:
        """The streams of an alarm bool [F] that stand out by themselves.

        In mode G the k* largest with k*·(M/A)_(k*) ≥ F: e-BH (Wang, Ramdas, JRSS-B 2022). May be none.
        """
        if self.ln_h is not None:
            return np.asarray(evidence >= self.ln_h)
        order = np.argsort(-evidence, kind="stable")
        needed = np.log(self.budget.streams * self.budget.steps / np.arange(1, len(order) + 1))
        enough = np.flatnonzero(evidence[order] >= needed + _LN_ONE)
        named = np.zeros(len(order), np.bool_)
        named[order[: enough[-1] + 1 if len(enough) else 0]] = True
        return named

    def judge(self, evidence: Float64) -> tuple[Mask, Mask]:
        """Of an alarm: the streams it names, and those that begin anew. If none stands out: the largest, and all."""
        named = self.qualified(evidence)
        if named.any():
            return named, named
        named[int(np.argmax(evidence))] = True
        return named, np.ones_like(named)
