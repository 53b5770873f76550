"""The differences that the evidence does not speak against: a band that holds at any time it is looked at."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.rollout.evidence import RATES, Design, Evidence
from shared.rollout import METRICS

Float64 = NDArray[np.float64]

ALPHA = 0.05  # of all metrics of a comparison together
_STEPS = 4  # of Newton: each comes closer from the safe side


@dataclass(frozen=True)
class Bands:
    """`difference`, `lower`, `upper` [M], version - champion in units of the ranges; NaN where nothing is known."""

    difference: Float64
    lower: Float64
    upper: Float64


def bands(evidence: Evidence, factor: Float64, design: Design, alpha: float = ALPHA) -> Bands:
    """The bands of all metrics, each side at alpha / 2M (Bonferroni), all squares taken `factor` [M] times.

    If rows are independent, the chance that any difference, averaged as the band averages it, is ever outside of its
    band is at most alpha, whatever `factor` >= 1 is. If they are not, it is so in large samples only.
    """
    threshold = math.log(2 * len(METRICS) / alpha)
    lower = _lower(evidence.gain, evidence, factor, threshold)
    upper = -_lower(-evidence.gain, evidence, factor, threshold)
    difference = np.divide(evidence.gain, evidence.weight, out=np.full(len(METRICS), np.nan), where=evidence.weight > 0)
    spread = design.spread
    return Bands(difference * spread, np.maximum(lower, -1) * spread, np.minimum(upper, 1) * spread)


def _lower(gain: Float64, evidence: Evidence, factor: Float64, threshold: float) -> Float64:
    """The least difference whose mean evidence over all rates (a mixture) is below the threshold.

    ln evidence is convex and falls with the difference. The start lies below the root: there one rate alone suffices.
    """
    weight = np.where(evidence.weight > 0, evidence.weight, np.nan)
    cost = evidence.cost * factor[:, None]
    start = (gain[:, None] - (cost + threshold + math.log(len(RATES))) / RATES).max(axis=1) / weight
    for _ in range(_STEPS):
        each = RATES * (gain - start * weight)[:, None] - cost
        most = each.max(axis=1, keepdims=True)
        parts = np.exp(each - most)
        whole = parts.sum(axis=1)
        excess = most[:, 0] + np.log(whole / len(RATES)) - threshold
        start = start + excess / (weight * (parts * RATES).sum(axis=1) / whole)
    return np.asarray(start)
