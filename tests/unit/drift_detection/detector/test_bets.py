import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from services.drift_detection.domain.detector.bets import BinBets, level_bets, numeric_bets
from shared.reference.basis import directions
from tests.unit.drift_detection.detector.worlds import budget

F = 12
SKEWED = np.array([400, 10, 200, 90, 300])
EVEN = np.full(20, 500)

SHARES = np.repeat([0.1, 0.125, 0.15, 0.125], 2)  # of four sizes, up and down


def test_a_numeric_feature_is_bet_to_shift_and_to_spread_in_four_sizes_up_and_down() -> None:
    bets = numeric_bets(EVEN, 1, 1, budget(F))
    p = (EVEN + 0.5) / (EVEN.sum() + 10)
    rows = []
    for phi in directions(p):
        for size in (0.04, 0.08, 0.16, 0.32):
            for sign in (1, -1):
                ratio = [max(1 + sign * size * phi[b], 0.02) for b in range(20)]
                rows.append([one / sum(p[b] * ratio[b] for b in range(20)) for one in ratio])
    assert bets.p == pytest.approx(p)
    assert bets.ratios == pytest.approx(np.array(rows))
    assert bets.weights == pytest.approx(np.concatenate([0.42 * SHARES, 0.13 * SHARES]))


def test_ratios_are_floored_and_then_normed() -> None:
    rare = np.array([100_000, 20, 20])
    bets = numeric_bets(rare, 1, 1, budget(F))
    assert bets.ratios.min() < 0.05
    assert bets.ratios @ bets.p == pytest.approx(1)
    steepest = 1 - 0.32 * directions(bets.p)
    assert steepest.min() < 0  # without a floor there would be no logarithm
    floored = np.maximum(steepest, 0.02)
    assert bets.ratios[[7, 15]] == pytest.approx(floored / (floored @ bets.p)[:, None])


def test_each_level_is_bet_to_become_more_or_less_frequent() -> None:
    bets = level_bets(SKEWED, 1000, 1, budget(F))
    p = (SKEWED + 0.5) / (1000 + 2.5)
    rows = []
    for level in range(5):
        for factor in (1.15, 1.5, 0.85, 0.6):
            ratio = [factor if b == level else 1 for b in range(5)]
            rows.append([one / sum(p[b] * ratio[b] for b in range(5)) for one in ratio])
    assert bets.ratios == pytest.approx(np.array(rows))
    assert bets.weights == pytest.approx(np.full(20, 0.6 / 20))


def chi(bets: BinBets) -> NDArray[np.float64]:
    return np.array([sum(bets.p[b] * (q[b] - 1) ** 2 for b in range(len(q))) ** 0.5 for q in bets.ratios])


@pytest.mark.parametrize(("phi", "phi_any"), [(1, 1), (3, 5), (6, 2)])
def test_what_the_references_own_error_may_bring_is_taken_off_a_numeric_feature(phi: float, phi_any: float) -> None:
    bets = numeric_bets(SKEWED, phi, phi_any, budget(F))
    assert bets.margins == pytest.approx(norm.isf(0.05 / (8 * F)) * chi(bets) * (phi / 1000) ** 0.5)
    any_way = max(phi, phi_any)
    assert bets.adaptive == pytest.approx(chi2.isf(0.05 / F, 4) ** 0.5 * (any_way / 1000) ** 0.5)
    assert (bets.phi, bets.phi_any) == (phi, any_way)


def test_what_the_references_own_error_may_bring_is_taken_off_a_categorical_feature() -> None:
    bets = level_bets(SKEWED, 1000, 3, budget(F))
    radius = chi2.isf(0.05 / F, 4) ** 0.5 * (3 / 1000) ** 0.5
    assert bets.margins == pytest.approx(radius * chi(bets))
    assert bets.adaptive == pytest.approx(radius)


def test_the_allowance_for_rare_levels_makes_the_reference_no_larger() -> None:
    pooled = np.r_[np.full(40, 20), 100 + 40 * 20]  # 900 rows, 40 levels of just 20
    assert level_bets(pooled, 900, 1, budget(F)).adaptive == pytest.approx(chi2.isf(0.05 / F, 40) ** 0.5 / 30)


def test_levels_chosen_from_many_for_their_counts_may_stray_as_far_as_all_of_them() -> None:
    some, all_of_them = (level_bets(SKEWED, 1000, 1, budget(F), chosen_from) for chosen_from in (0, 400))
    further = (chi2.isf(0.05 / F, 399) / chi2.isf(0.05 / F, 4)) ** 0.5
    assert all_of_them.margins == pytest.approx(some.margins * further)
    assert all_of_them.adaptive == pytest.approx((some.adaptive or 0) * further)


@pytest.mark.parametrize("rows", [0, 5000])
def test_a_bet_that_equals_the_reference_is_none(rows: int) -> None:
    """It would grow by one each step, and a constant feature alarm."""
    for bets in (numeric_bets(np.array([rows]), 1, 1, budget(F)), level_bets(np.array([rows]), rows, 1, budget(F))):
        assert not bets.live.any()
        assert bets.adaptive is None
    assert numeric_bets(EVEN, 1, 1, budget(F)).live.all()


def test_two_bins_are_bet_to_shift_only() -> None:
    bets = numeric_bets(np.array([700, 300]), 1, 1, budget(F))
    assert bets.ratios.shape == (8, 2)
    assert bets.weights == pytest.approx(0.42 * SHARES)
    assert bets.adaptive is not None
