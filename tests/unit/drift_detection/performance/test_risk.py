import math
from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.performance.risk import GREATEST_STAKE, LEAST_STAKE, LossSums, RiskBet, RiskState
from tests.unit.drift_detection.performance.cases import Float64, scorer

BOUND = 0.2
BET = RiskBet(BOUND, second=1.2, dispersion=1.0, nominal=100)


def sums(losses: Float64) -> LossSums:
    return LossSums(len(losses), float(losses.sum()), float(losses @ losses))


def losses(random: np.random.Generator, mean: float, count: int) -> Float64:
    """Skewed, in [0, 1]."""
    return random.beta(2 * mean, 2 * (1 - mean), count)


def path(bet: RiskBet, mean: float, random: np.random.Generator, panes: int, count: int = 100) -> list[RiskState]:
    state, states = bet.start(), []
    for _ in range(panes):
        state = bet.step(state, sums(losses(random, mean, count)))
        states.append(state)
    return states


def test_a_steps_word_is_below_the_log_of_the_bets_product_over_rows() -> None:
    random = np.random.default_rng(1)
    for mean in (0.05, 0.2, 0.5):
        state = BET.step(BET.start(), sums(losses(random, mean, 50)))
        pane = losses(random, mean, 300)
        product = float(np.log1p(state.stake * (pane - BOUND) / BOUND).sum())
        assert BET.evidence(state, sums(pane)) <= product


def test_while_the_risk_is_at_its_bound_the_words_e_has_a_mean_of_at_most_one() -> None:
    random = np.random.default_rng(2)
    for stake in (LEAST_STAKE, 0.1, GREATEST_STAKE):
        state = RiskState(-math.inf, 1.0, stake, 1.0)
        assert state.stake == stake
        words = [BET.evidence(state, sums(losses(random, BOUND, 5))) for _ in range(20_000)]
        e = np.exp(words)
        assert e.mean() - 3 * e.std() / len(e) ** 0.5 <= 1


def test_at_the_bound_false_alarms_are_rarer_than_the_budget_allows() -> None:
    # R has a mean of at most t after t steps, so it passes 1,000 in 200 steps with a chance of at most 0.2
    alarmed = 0
    for seed in range(100):
        states = path(BET, BOUND, np.random.default_rng([3, seed]), panes=200)
        alarmed += max(state.log_r for state in states) >= math.log(1_000)
    assert alarmed <= 8


def test_below_the_bound_there_is_no_alarm_and_the_evidence_does_not_pile_up() -> None:
    states = path(BET, 0.15, np.random.default_rng(4), panes=2_000)
    assert max(state.log_r for state in states) < math.log(100)
    assert states[-1].stake == LEAST_STAKE


@pytest.mark.parametrize(("mean", "panes"), [(0.3, 6), (0.24, 30)])
def test_a_higher_risk_is_found(mean: float, panes: int) -> None:
    for seed in range(20):
        states = path(BET, mean, np.random.default_rng([5, seed]), panes)
        assert states[-1].log_r >= math.log(1_000)


def test_it_is_found_as_well_after_a_long_time_without_harm() -> None:
    random = np.random.default_rng(6)
    state = path(BET, 0.15, random, panes=1_000)[-1]
    for _ in range(8):
        state = BET.step(state, sums(losses(random, 0.35, 100)))
    assert state.log_r >= math.log(1_000)


def test_the_stake_of_a_pane_is_known_before_the_pane() -> None:
    random = np.random.default_rng(7)
    state = path(BET, 0.25, random, panes=5)[-1]
    calm, harm = sums(losses(random, 0.1, 100)), sums(losses(random, 0.9, 100))
    assert LEAST_STAKE < state.stake < GREATEST_STAKE
    for pane in (calm, harm):
        moved = np.logaddexp(0.0, state.log_r) + BET.evidence(state, pane)
        assert BET.step(state, pane).log_r == pytest.approx(float(moved))


def test_small_panes_start_small_bets_and_empty_ones_change_nothing() -> None:
    state = BET.start()
    assert BET.step(state, LossSums(0, 0.0, 0.0)) == state
    few = LossSums(3, 3 * BOUND, 3 * BOUND**2)  # no evidence either way, as each loss is the bound
    assert BET.step(state, few).log_r == pytest.approx(math.log(3 / 100))


def test_rows_that_share_their_luck_count_for_less() -> None:
    pane, state = LossSums(100, 35.0, 20.0), BET.start()
    dependent = replace(BET, dispersion=4.0)
    assert dependent.evidence(state, pane) == pytest.approx(BET.evidence(state, pane) / 4)


def test_after_an_alarm_the_evidence_starts_anew() -> None:
    state = path(BET, 0.3, np.random.default_rng(8), panes=20)[-1]
    again = state.again(BET)
    assert again.log_r == -math.inf
    assert again.stake == state.stake


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_references_own_losses_are_no_alarm_and_twice_as_many_are(kind: str) -> None:
    calibration = scorer("binary" if kind == "binary" else "regression").calibration
    bet = RiskBet.of(calibration, tolerance=0.05, alpha=0.001, nominal=100)
    mean = calibration.risk.overall
    second = (bet.second - 1) * bet.bound**2 + 2 * bet.bound * mean  # the mean of the squared loss
    assert mean * 1.05 < bet.bound < mean * 1.2
    quiet, loud = bet.start(), bet.start()
    for _ in range(50):
        quiet = bet.step(quiet, LossSums(100, 100 * mean, 100 * second))
        loud = bet.step(loud, LossSums(100, 200 * mean, 400 * second))
    assert quiet.log_r < math.log(20)
    assert loud.log_r > math.log(1_000)
