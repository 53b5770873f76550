from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.stats import beta, gamma

from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.rates import (
    RateBets,
    missing_bets,
    range_bets,
    rate_bets,
    stuck_bets,
)
from tests.unit.drift_detection.detector.worlds import budget

F = 10
ALPHA = 0.05 / (8 * F)
RISES = (1.25, 1.5, 2, 4, 16, 64, 256)
FEW = budget(F)
Maker = Callable[[int, int, float, Budget], RateBets]


def rise(k: int, rows: int, phi: float) -> float:
    share = (k + 0.5) / (rows + 1)
    return float(share + phi**0.5 * (beta.ppf(1 - ALPHA, k + 1, rows - k) - share))


def fall(k: int, rows: int, phi: float) -> float:
    share = (k + 0.5) / (rows + 1)
    return float(share - phi**0.5 * (share - beta.ppf(ALPHA, k, rows - k + 1)))


def gains(bets: RateBets, k: int, n: int) -> dict[float, float]:
    each = zip(bets.factors, bets.with_event, bets.without, strict=True)
    return {r: k * with_event + (n - k) * without for r, with_event, without in each}


def expected(p0: float, r: float, k: int, n: int, phi: float) -> float:
    return float((k * np.log(r) + (n - k) * (np.log1p(-r * p0) - np.log1p(-p0))) / phi)


@pytest.mark.parametrize("phi", [1, 2.5])
@pytest.mark.parametrize(("times", "rows"), [(0, 5000), (49, 5000), (400, 5000)])
def test_missing_rows_are_bet_on_by_the_formula(times: int, rows: int, phi: float) -> None:
    found = gains(missing_bets(times, rows, phi, FEW), 7, 1000)
    p0 = rise(times, rows, phi)
    wanted = {r: expected(p0, r, 7, 1000, phi) for r in RISES if r * p0 <= 0.9}
    if times >= 50:
        wanted[0.5] = expected(fall(times, rows, phi), 0.5, 7, 1000, phi)
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("times", [49, 50])
def test_half_as_many_is_bet_on_only_from_50_on(times: int) -> None:
    assert (0.5 in missing_bets(times, 5000, 1, FEW).factors) == (times >= 50)
    assert 0.5 not in rate_bets(times, 5000, 1, FEW).factors


@pytest.mark.parametrize("bets", [missing_bets, rate_bets])
def test_what_occurs_in_more_than_half_of_the_rows_is_bet_on_by_its_opposite(bets: Maker) -> None:
    for times in (2500, 2501):
        assert bets(times, 5000, 1, FEW).flipped == (times > 2500)
    most, least = bets(4900, 5000, 1, FEW), bets(100, 5000, 1, FEW)
    assert (most.factors, most.with_event, most.without) == (least.factors, least.with_event, least.without)


def test_values_out_of_range_are_bet_on_by_the_formula() -> None:
    for phi in (1, 4):
        p0 = float(2 + phi**0.5 * (gamma.ppf(1 - ALPHA, 2) - 2)) / 5000
        found = gains(range_bets(5000, phi, FEW), 3, 100)
        assert found == pytest.approx({r: expected(p0, r, 3, 100, phi) for r in RISES if r * p0 <= 0.9})


def all_bets() -> Iterator[RateBets]:
    for rows in (0, 1, 10, 300, 100_000):
        for times in {0, rows // 100, rows // 3, rows}:
            for phi in (1.0, 30.0):
                yield missing_bets(times, rows, phi, FEW)
                yield rate_bets(times, rows, phi, FEW)
                yield stuck_bets(times, rows, phi, FEW)
        yield range_bets(rows, 1.0, FEW)


def test_no_bet_makes_a_rate_all_but_certain_and_all_gains_are_finite() -> None:
    for bets in all_bets():
        assert np.isfinite([*bets.with_event, *bets.without]).all()
        assert len(bets.factors) <= 8


@pytest.mark.parametrize(("rows", "bets"), [(0, missing_bets), (0, rate_bets), (3, stuck_bets)])
def test_a_reference_without_rows_to_judge_by_makes_no_bets(rows: int, bets: Maker) -> None:
    assert bets(0, rows, 1, FEW).factors == ()
    assert range_bets(0, 1, FEW).factors == ()


@pytest.mark.parametrize("phi", [1, 3])
def test_at_its_bound_a_rate_gives_no_evidence_on_average(phi: float) -> None:
    """Per row Σ p e^{φ·l} = 1 at p0, and below it for all smaller rates: a fair bet against the worst of the fair."""
    bets, p0 = rate_bets(30, 5000, phi, FEW), rise(30, 5000, phi)
    for with_event, without in zip(bets.with_event, bets.without, strict=True):
        growth = [p * np.exp(phi * with_event) + (1 - p) * np.exp(phi * without) for p in (p0, p0 / 2)]
        assert growth[0] == pytest.approx(1)
        assert growth[1] < 1


def test_stuck_panes_are_bet_on_as_a_rate_of_pairs() -> None:
    found = gains(stuck_bets(5, 700, 2, FEW), 1, 1)
    p0 = rise(5, 700, 2)
    assert found == pytest.approx({r: np.log(r) / 2 for r in RISES if r * p0 <= 0.9})
