"""From a reference's profiles to streams of bets."""

import numpy as np

from services.drift_detection.domain.detector.bets import level_bets, numeric_bets
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.changes import jump_level
from services.drift_detection.domain.detector.rates import (
    RateBets,
    missing_bets,
    range_bets,
    rate_bets,
    stuck_bets,
)
from services.drift_detection.domain.detector.stream import PERSISTENT, Stream
from shared.reference import CategoricalProfile, NumericProfile


def numeric_stream(profile: NumericProfile, budget: Budget) -> Stream:
    """Bets on a numeric feature or score."""
    phi = budget.dispersion(profile.dispersion)
    missing = missing_bets(
        profile.missing, profile.rows + profile.missing, budget.dispersion(profile.missing_dispersion), budget
    )
    phi_any = budget.dispersion(profile.bins_dispersion)
    seasons = profile.seasons or (profile.coarse_counts,)
    return Stream(
        profile.name,
        tuple(numeric_bets(np.array(counts), phi, phi_any, budget) for counts in seasons),
        missing,
        rate_bets(profile.zeros, profile.rows, _zero_dispersion(profile, phi, budget), budget),
        range_bets(profile.rows, phi, budget),
        jump=-float(np.log(jump_level(budget))) if phi > PERSISTENT and profile.jumps.assessed else None,
        stuck=_stuck(profile, budget) if phi > PERSISTENT else None,
    )


def _zero_dispersion(profile: NumericProfile, phi: float, budget: Budget) -> float:
    """Zeros that were too seldom to be assessed come as the feature's values do, if they lie among them."""
    if profile.zero_dispersion is None:
        return phi if profile.minimum <= 0 <= profile.maximum else 1.0
    return budget.dispersion(profile.zero_dispersion)


def _stuck(profile: NumericProfile, budget: Budget) -> RateBets:
    flats = profile.flats
    return stuck_bets(flats.flat, flats.pairs, budget.dispersion(flats.dispersion), budget)


def level_stream(profile: CategoricalProfile, budget: Budget) -> Stream:
    """Bets on a categorical feature."""
    missing = missing_bets(
        profile.missing, profile.rows + profile.missing, budget.dispersion(profile.missing_dispersion), budget
    )
    phi = budget.dispersion(profile.dispersion)
    bets = level_bets(np.array(profile.pooled), profile.rows, phi, budget, profile.chosen_from)
    return Stream(profile.name, (bets,), missing)


def independent(profile: NumericProfile | CategoricalProfile, budget: Budget) -> bool:
    """Whether every φ of it is known to be 1: its rows are as good as independent."""
    found = [profile.dispersion, profile.missing_dispersion]
    if isinstance(profile, NumericProfile):
        found += [profile.bins_dispersion, profile.zero_dispersion]
    return profile.dispersion.assessed and all(budget.dispersion(one) == 1 for one in found)
