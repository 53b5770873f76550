"""Bets on bins: likelihood ratios q/p per bin, each with mean 1 under p."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.detector.budget import MARGIN, Budget
from shared.reference.basis import directions, smoothed

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEPS = (0.04, 0.08, 0.16, 0.32)
SIZES = 2 * len(STEPS)  # of one direction, up and down
# What a stream bets on: most of it on a shift, which is most of what happens.
SHIFT, SPREAD, MIX = 0.42, 0.13, 0.6
_SHARES = (0.8, 1.0, 1.2, 1.0)  # of each step, up and down: shifts of a quarter of a deviation are to be found at once
FACTORS = (1.15, 1.5, 0.85, 0.6)
_FLOOR = 0.02
_LEAST_CHI = 1e-6  # a bet equal to p grows by one each step


@dataclass(frozen=True)
class BinBets:
    """The bets of one stream of B bins: shares `p` [B], `ratios` [J, B] and their `weights` [J], `margins` [J] to take
    off per row, whether each is `live` bool [J]: not equal to p. `adaptive` is the margin of the bet that learns, per
    row and unit of its χ (None: no such bet), `phi` the dispersion along the fixed bets, `phi_any` that in any
    direction, where the adaptive one may turn.
    """

    p: Float64
    ratios: Float64
    weights: Float64
    margins: Float64
    live: Mask
    adaptive: float | None
    phi: float
    phi_any: float


def numeric_ratios(p: Float64) -> Float64:
    """Shifts and changes of spread, up and down, in four sizes."""
    bets = [1 + sign * step * phi for phi in directions(p) for step in STEPS for sign in (1, -1)]
    return _normed(np.array(bets).reshape(len(bets), len(p)), p)


def level_ratios(p: Float64) -> Float64:
    """Each level more or less frequent."""
    bets: Float64 = np.ones((len(p) * len(FACTORS), len(p)))
    for level in range(len(p)):
        bets[level * len(FACTORS) : (level + 1) * len(FACTORS), level] = FACTORS
    return _normed(bets, p)


def _normed(ratios: Float64, p: Float64) -> Float64:
    floored = np.maximum(ratios, _FLOOR)
    return np.asarray(floored / (floored @ p)[:, None])


def numeric_bets(counts: NDArray[np.int64], phi: float, phi_any: float, budget: Budget) -> BinBets:
    """Of a numeric feature by the reference's counts [B] of its coarse bins."""
    p = smoothed(counts)
    ratios = numeric_ratios(p)
    shares = np.multiply.outer([SHIFT, SPREAD], np.repeat(_SHARES, 2) / SIZES)
    weights = shares.reshape(-1)[: len(ratios)]
    return _bets(p, ratios, weights, None, Unit(int(counts.sum()), phi, max(phi, phi_any), budget))


def level_bets(counts: NDArray[np.int64], rows: int, phi: float, budget: Budget, chosen_from: int = 0) -> BinBets:
    """Of a categorical feature by its pooled counts [B], which may be more than its rows.

    Where its levels were `chosen_from` more for their counts, they will be less frequent than these say: the margin is
    that of all, as no pooling of levels strays further from the reference than the levels themselves.
    """
    p = smoothed(counts)
    ratios = level_ratios(p)
    weights = np.full(len(ratios), MIX / max(len(ratios), 1))
    return _bets(p, ratios, weights, max(len(p), chosen_from), Unit(rows, phi, phi, budget))


class Unit(NamedTuple):
    """What a margin is measured in: R rows of the reference, and their dispersions."""

    rows: int
    phi: float
    phi_any: float
    budget: Budget

    def per_row(self, phi: float) -> float:
        """What a unit of χ costs a row."""
        return float(MARGIN * (phi / max(self.rows, 1)) ** 0.5)


def _bets(p: Float64, ratios: Float64, weights: Float64, levels: int | None, unit: Unit) -> BinBets:
    """`levels` of a categorical feature; None for bets along the directions of a numeric one."""
    chi = np.sqrt(np.square(ratios - 1) @ p)
    radius = unit.budget.radius(levels or len(p))
    reach = unit.budget.normal if levels is None else radius
    adaptive = unit.per_row(unit.phi_any) * radius if len(p) > 1 else None
    margins = reach * unit.per_row(unit.phi) * chi
    return BinBets(p, ratios, weights, margins, chi >= _LEAST_CHI, adaptive, unit.phi, unit.phi_any)
