"""How much more the rows vary together than rows that have nothing to do with each other.

Rows of one subject are alike, for as long as it is there: that shows between the 64 groups of subjects ("random
groups": Wolter, Introduction to Variance Estimation, 2007, chapter 2). Rows of one moment are alike: that shows between
panes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from services.drift_detection.domain.rollout.evidence import Evidence
from services.drift_detection.domain.rollout.sums import PLACE
from shared.rollout import METRICS

Float64 = NDArray[np.float64]

LEAST_GROUPS = 10  # of equal size, on each side
LEAST_PANES = {"latency": 10, "slow": 10}  # rows that ran together took as long
_FEWEST_PANES = 5  # that tell anything


@dataclass(frozen=True)
class Dispersion:
    """`factor` [M], at least 1: how many times more a mean varies. `groups` [M]: of equal size, of the lesser side.

    `assessed` bool [M]: there are enough subjects and panes to tell.
    """

    factor: Float64
    groups: Float64
    assessed: NDArray[np.bool_]


def dispersion(evidence: Evidence) -> Dispersion:
    """Of all metrics. What subjects add and what panes add is added up (as Cameron, Gelbach, Miller 2011)."""
    used = evidence.size.sum(axis=2) > 0
    groups = _equal(evidence.size)
    enough = np.array([LEAST_PANES.get(metric, 1) for metric in METRICS])
    least = np.where(used, groups, np.inf).min(axis=0)
    factor = 1 + (_between_groups(evidence, groups, used) - 1) + (_between_panes(evidence) - 1)
    factor[PLACE["loss"]] = max(factor[PLACE["loss"]], factor[PLACE["score"]])  # labels tell no subject
    return Dispersion(factor, least, (least >= LEAST_GROUPS) & used[0] & (evidence.panes >= enough))


def _between_groups(evidence: Evidence, groups: Float64, used: NDArray[np.bool_]) -> Float64:
    size, total = evidence.size, np.maximum(evidence.size.sum(axis=2), 1e-300)
    mean = evidence.off.sum(axis=2) / total
    freedom = np.where(used, np.maximum(groups - 1, 1e-9), 1)
    between = ((evidence.off - size * mean[:, :, None]) ** 2).sum(axis=2) * (1 + 1 / freedom) * used
    both = between.sum(axis=0)
    combined = both**2 / np.maximum((between**2 / freedom).sum(axis=0), 1e-300)  # Satterthwaite 1946
    return _upper(_ratio(both, evidence.scatter.sum(axis=0)), np.where(both > 0, combined, 1))


def _between_panes(evidence: Evidence) -> Float64:
    squares, products, weights = evidence.moments
    difference = _ratio(evidence.gain, evidence.weight)
    apart = squares - 2 * difference * products + difference**2 * weights
    freedom = np.maximum(_ratio(evidence.weight**2, weights) - 1, 1e-9)
    ratio = _ratio(np.maximum(apart, 0), evidence.scatter.sum(axis=0)) * (1 + 1 / freedom)
    return np.where(evidence.panes >= _FEWEST_PANES, _upper(ratio, freedom), 1.0)


def _equal(size: Float64) -> Float64:
    """As how many groups of equal size they count (Kish 1965), [2, M]."""
    return _ratio(size.sum(axis=2) ** 2, (size**2).sum(axis=2))


def _upper(ratio: Float64, freedom: Float64) -> Float64:
    """An upper bound of 95 % on a ratio of variances that is surely (99 %) above 1; else 1."""
    sure = ratio * freedom > _chi_square(0.99, freedom)
    return np.where(sure, np.maximum(ratio * freedom / np.maximum(_chi_square(0.05, freedom), 1e-9), 1), 1.0)


def _chi_square(probability: float, freedom: Float64) -> Float64:
    quantile: Float64 = 2 * gammaincinv(freedom / 2, probability)
    return quantile


def _ratio(above: Float64, below: Float64) -> Float64:
    ratio: Float64 = np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    return ratio
