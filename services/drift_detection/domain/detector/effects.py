"""How large a drift is: the same measures for all, so that what is certain but tiny can be told from what matters.

Sizes are Cohen's (Statistical Power Analysis, 1988): d, a difference of means in standard deviations; h, of shares as
2·asin√p; w, √Σ(q-p)²/p of a mix. He calls d = .5, h = .5 and w = .3 medium.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.detector.bets import Float64
from services.drift_detection.domain.detector.group import PaneCounts
from shared.events import DriftedFeature, EffectMeasure
from shared.reference import CategoricalProfile, NumericProfile
from shared.reference.measure import GRID

MEDIUM: dict[EffectMeasure, float] = {"d": 0.5, "h": 0.5, "w": 0.3}


@dataclass(frozen=True)
class Effect:
    """`effect` in the feature's unit, or of shares; `size` by Cohen's `measure`, never negative."""

    effect: float
    size: float
    measure: EffectMeasure


def is_major(feature: DriftedFeature) -> bool:
    """Whether a drift is of medium size or more."""
    return feature.measure is not None and (feature.size or 0.0) >= MEDIUM[feature.measure]


def weight(feature: DriftedFeature) -> tuple[float, float]:
    """Effect times importance; effect alone among those whose importance is not known or none."""
    size = feature.size or 0.0
    return size * (feature.importance or 0.0), size


def jump(change: float, profile: NumericProfile) -> Effect:
    """A pane's mean against the last one's."""
    return Effect(change, _in_deviations(change, profile), "d")


class Mix(NamedTuple):
    """Counts float64 [B] of recent rows, the latest weighing most, and what the reference has for as many."""

    expected: Float64
    recent: Float64


def shift(profile: NumericProfile, mix: Mix) -> Effect:
    """The mean of recent rows less the expected one, by coarse bins and the reference's mean in each."""
    low, high = profile.clip.bounds
    sums = np.bincount(profile.coarse, weights=profile.sums)
    counts = np.bincount(profile.coarse, weights=np.array(profile.counts, np.float64)).astype(np.float64)
    means = (low + high) / 2 + (high - low) / GRID * sums / np.maximum(counts, 1)
    change = float(np.subtract(shares(mix.recent), shares(mix.expected)) @ means)
    return Effect(change, _in_deviations(change, profile), "d")


def shape(mix: Mix) -> Effect:
    """The total variation between recent rows and what is expected."""
    p, q = shares(mix.expected), shares(mix.recent)
    noise = (len(p) - 1) / max(float(mix.recent.sum()), 1.0)  # what independent rows of the reference would give
    terms = np.divide(np.square(q - p), p, out=np.zeros_like(p), where=p > 0)
    return Effect(float(np.abs(q - p).sum() / 2), float(max(terms.sum() - noise, 0.0) ** 0.5), "w")


def share(pane: PaneCounts, row: int, event: int, profile: NumericProfile | CategoricalProfile) -> Effect:
    """A pane's share of missing rows (event 0), exact zeros (1) or values out of range (2) less the reference's."""
    trials = int(pane.rows[row]) if event == 0 else int(pane.bins[row].sum())
    zeros = profile.zeros if isinstance(profile, NumericProfile) else 0
    before = (profile.missing, zeros, 0)[event]
    of = profile.rows + profile.missing if event == 0 else profile.rows
    now, then = int(pane.events[row, event]) / max(trials, 1), before / max(of, 1)
    return Effect(now - then, float(abs(_angle(now) - _angle(then))), "h")


def shares(counts: Float64) -> Float64:
    """Of counts; all 0 without any."""
    found: Float64 = counts / max(float(counts.sum()), 1e-9)
    return found


def _angle(share_of: float) -> float:
    return float(2 * np.arcsin(np.sqrt(share_of)))


def _in_deviations(change: float, profile: NumericProfile) -> float:
    deviation = standard_deviation(profile)
    return abs(change) / deviation if deviation > 0 else 0.0


def standard_deviation(profile: NumericProfile) -> float:
    """Of the clipped values of the reference, in the feature's unit; 0 where there are none."""
    low, high = profile.clip.bounds
    rows = max(profile.rows, 1)
    mean = sum(profile.sums) / rows
    return float((high - low) / GRID * max(profile.squares / rows - mean**2, 0.0) ** 0.5)
