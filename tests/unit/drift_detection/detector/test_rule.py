import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.rule import Rule
from tests.unit.drift_detection.detector.worlds import budget

A, F = 100.0, 6
RULE = Rule(budget(F, A))


def evidence(*e_values: float) -> NDArray[np.float64]:
    """ln M of so many M/A, the rest without any."""
    with np.errstate(divide="ignore"):
        return np.log(A * np.array([*e_values, *[0.0] * (F - len(e_values))]))


@pytest.mark.parametrize(("e_values", "alarm"), [((6,), True), ((6 * (1 - 1e-8),), False), ((1,) * 6, True)])
def test_the_alarm_is_when_the_mean_of_all_streams_evidence_reaches_the_budget(
    e_values: tuple[float, ...], alarm: bool
) -> None:
    assert bool(RULE.alarms(evidence(*e_values))) is alarm


def test_rounding_keeps_no_alarm_back() -> None:
    assert RULE.alarms(evidence(6 * (1 - 1e-10)))
    assert RULE.qualified(evidence(6 * (1 - 1e-10)))[0]


def test_there_is_no_alarm_before_the_first_pane() -> None:
    assert not RULE.alarms(np.full(F, -np.inf))


def test_many_steps_may_be_asked_at_once() -> None:
    assert RULE.alarms(np.array([evidence(6), evidence(5), evidence(3, 3)])).tolist() == [True, False, True]


def by_hand(e_values: list[float]) -> set[int]:
    """The k* largest, k* the greatest k of which the k-th largest times k is F or more."""
    order = sorted(range(F), key=lambda one: -e_values[one])
    best = max((k for k in range(1, F + 1) if k * e_values[order[k - 1]] >= F), default=0)
    return set(order[:best])


@pytest.mark.parametrize("seed", range(40))
def test_the_streams_named_are_those_of_e_bh(seed: int) -> None:
    drawn = np.random.default_rng(seed).lognormal(0.5, 1.5, F)
    named = RULE.qualified(evidence(*drawn))
    assert set(np.flatnonzero(named).tolist()) == by_hand(drawn.tolist())


def test_a_stream_too_weak_alone_is_named_with_others() -> None:
    assert RULE.qualified(evidence(3.1, 3, 1)).tolist() == [True, True, False, False, False, False]
    assert RULE.qualified(evidence(2, 2, 2)).tolist() == [True] * 3 + [False] * 3
    # the second does not qualify as the second, but the third does as the third
    assert RULE.qualified(evidence(5, 2.5, 2.4)).tolist() == [True] * 3 + [False] * 3


def test_only_those_named_begin_anew() -> None:
    named, anew = RULE.judge(evidence(7, 0.5))
    assert named.tolist() == anew.tolist() == [True] + [False] * 5


def test_if_none_stands_out_the_largest_is_named_and_all_begin_anew() -> None:
    together = evidence(1.9, 2.2, 1.5, 0.4)
    assert RULE.alarms(together)
    assert not RULE.qualified(together).any()
    named, anew = RULE.judge(together)
    assert named.tolist() == [False, True, False, False, False, False]
    assert anew.all()


def test_streams_watched_elsewhere_count_in_the_budget() -> None:
    assert not Rule(budget(F + 1, A)).alarms(evidence(6))
    assert Rule(budget(F + 1, A)).alarms(evidence(7))


def test_calibrated_each_stream_alarms_by_itself() -> None:
    rule = Rule(budget(F, A), ln_h=4.5)
    ln_m = np.array([4.4, 4.6, 4.5, 0, -np.inf, 1])
    assert rule.alarms(ln_m)
    assert not rule.alarms(ln_m - 0.2)
    named, anew = rule.judge(ln_m)
    assert named.tolist() == anew.tolist() == [False, True, True, False, False, False]


def test_of_equal_streams_the_first_is_the_largest() -> None:
    named, _ = RULE.judge(evidence(1, 1, 1, 1, 1, 0.9))
    assert np.flatnonzero(named).tolist() == [0]
