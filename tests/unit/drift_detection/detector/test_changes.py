from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bank import Bank, Step
from services.drift_detection.domain.detector.changes import Changes, LastPane
from shared.reference.panes import pane_of_day, time_of
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, World, changed, run, world

A, F = 720.0, 2
ROWS = 30


def swing(hours: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """By hour a level that all its rows share: a slow swing, a daily cycle, some noise. Float [hours, rows]."""
    random = np.random.default_rng(seed)
    level = 50 + 8 * np.sin(hours / 24) + 3 * np.sin(hours * np.pi / 12) + random.normal(0, 0.5, len(hours))
    values: NDArray[np.float64] = level[:, None] + random.normal(0, 1, (len(hours), ROWS))
    return values


@cache
def weather() -> World:
    """480 hours of two such features, `flow` of smaller swings, from 1 March 2026, by Zurich's clock."""
    hours = np.arange(480)
    numeric = {"temp": swing(hours, 1).reshape(-1), "flow": swing(hours, 2).reshape(-1) / 10}
    return world(numeric, rows_per_pane=ROWS, time_zone="Europe/Zurich")


def hour(number: int, shift: float = 0.0, flow: float = 0.0, rows: int = ROWS) -> dict[str, NDArray[np.float64]]:
    """The rows of an hour of the stream."""
    temp, beside = (swing(np.array([number]), 1000 + number + at)[0, :rows] for at in (0, 500_000))
    return {"temp": temp + shift, "flow": beside / 10 + flow}


def steps(*hours: tuple[int, dict[str, NDArray[np.float64]]], bank: Bank | None = None) -> list[Step]:
    bank = bank or weather().bank(A)
    memory, found = bank.start(), []
    for number, columns in hours:
        found.append(bank.step(memory, FIRST + number * HOUR, {"all": weather().sketch(columns)}))
        memory = found[-1].after
    return found


def by_hand(gap: int, now: tuple[int, NDArray[np.float64]], before: tuple[int, NDArray[np.float64]]) -> float:
    """z of temp, from values as they are."""
    profile = weather().reference.numeric[0]
    jumps, (low, high) = profile.jumps, profile.clip.bounds
    deviations = []
    for number, values in (now, before):
        level = jumps.pane_levels[pane_of_day(FIRST + number * HOUR, "Europe/Zurich", 3600)]
        assert level is not None
        deviations.append(float(np.clip(values, low, high).mean()) - level)
    noise = jumps.within * (1 / len(now[1]) + 1 / len(before[1])) + jumps.between[gap - 1]
    return float(abs(deviations[0] - deviations[1]) / noise**0.5)


@pytest.mark.parametrize(("gap", "counts_as"), [(1, 1), (2, 2), (8, 8), (9, 8), (40, 8)])
def test_a_jump_is_judged_by_the_formula_across_gaps_of_up_to_eight_panes(gap: int, counts_as: int) -> None:
    before, now = hour(10), hour(10 + gap, -20, rows=12)
    step = steps((10, before), (10 + gap, now))[-1]
    expected = by_hand(counts_as, (10 + gap, now["temp"]), (10, before["temp"]))
    assert step.comparison.z[0] == pytest.approx(expected, rel=1e-4)
    assert step.comparison.adjacent.tolist() == [gap == 1] * 2


def test_the_limits_are_the_references_by_the_share_of_the_budget() -> None:
    bank = weather().bank(A)
    jumps = [profile.jumps for profile in weather().reference.numeric]
    assert bank.changes.limits().tolist() == [one.limit(0.1 / (A * F), 8) for one in jumps]
    assert bank.changes.limits(beside=True).tolist() == [one.limit(0.05 / F, 5) for one in jumps]
    assert weather().bank(A, others=3).changes.limits().tolist() == [one.limit(0.1 / (A * 5), 8) for one in jumps]
    calm = world({"x": np.random.default_rng(0).normal(size=3000)}, rows_per_pane=10).bank(1)
    assert (calm.changes.limits().tolist(), calm.changes.limits(beside=True).tolist()) == ([8], [5])


def test_a_jump_beyond_its_limit_alarms_by_itself_and_below_it_does_not() -> None:
    bank = weather().bank(A)
    assert all(stream.persists for stream in bank.detector.groups[0].streams)

    def jumped(shift: float) -> Step:
        return steps((10, hour(10)), (11, hour(11, shift)), bank=bank)[-1]

    limit, (less, more) = bank.changes.limits()[0], (jumped(shift).comparison.z[0] for shift in (-20, -30))
    for aim, named in ((0.99, []), (1.01, [True, False])):
        step = jumped(-20 - 10 * (aim * limit - less) / (more - less))
        assert step.comparison.z[0] == pytest.approx(aim * limit, rel=1e-4)
        assert ([] if step.alarm is None else step.alarm.named.tolist()) == named


def test_a_jump_alone_is_just_the_alarm() -> None:
    """Its evidence is 1/alpha at a tenth of the weight: A·F, to rounding, and a bit from the other bets."""
    step = steps((10, hour(10)), (11, hour(11, -20)))[-1]
    assert step.alarm is not None
    bank = weather().bank(A)
    group, state = bank.detector.groups[0], step.stepped.state[0]
    jump = float((group.ln_weights + state.ln_r)[0, group.fixed + 25])
    assert jump == pytest.approx(np.log(A * F), abs=1e-12)


def test_a_jump_that_was_no_alarm_is_forgotten_at_the_next_pane() -> None:
    bank = weather().bank(A)
    for step in steps(*((number, hour(number)) for number in range(10, 20)), bank=bank):
        assert np.isneginf(step.stepped.state[0].ln_r[:, bank.detector.groups[0].fixed + 25]).all()


def test_natural_hours_do_not_alarm() -> None:
    found = steps(*((number, hour(number)) for number in range(400)))
    assert not any(step.comparison.jumped.any() or step.alarm for step in found)


def test_the_first_pane_has_nothing_to_be_compared_with() -> None:
    [step] = steps((0, hour(0, -20)))
    assert not step.comparison.compared.any()
    assert not step.comparison.z.any()
    assert step.alarm is None


def test_an_hour_without_values_is_passed_over() -> None:
    gap = hour(11) | {"temp": np.full(ROWS, np.nan)}
    first, second, third = steps((10, hour(10)), (11, gap), (12, hour(12, -20)))
    assert second.comparison.compared.tolist() == [False, True]
    assert second.after.last.start.tolist() == [FIRST + 10 * HOUR, FIRST + 11 * HOUR]
    assert third.comparison.adjacent.tolist() == [False, True]
    expected = by_hand(2, (12, hour(12, -20)["temp"]), (10, hour(10)["temp"]))
    assert third.comparison.z[0] == pytest.approx(expected, rel=1e-4)
    assert first.comparison.effect.tolist() == [0, 0]


def test_few_rows_must_jump_further() -> None:
    many, few = (steps((10, hour(10)), (11, hour(11, -20, rows=rows)))[-1].comparison.z[0] for rows in (30, 2))
    assert few < many


def commute(first: int, count: int) -> dict[str, NDArray[np.float64]]:
    """Rows of hours whose level is that of the clock in Zurich alone."""
    zone = "Europe/Zurich"
    places = [pane_of_day(FIRST + number * HOUR, zone, 3600) for number in range(first, first + count)]
    level = 100.0 * np.array(places)
    return {"load": (level[:, None] + np.random.default_rng(first).normal(0, 1, (count, 20))).reshape(-1)}


def test_the_change_to_summer_time_is_no_jump() -> None:
    there = world(commute(0, 600), rows_per_pane=20, time_zone="Europe/Zurich")
    spring = (time_of(datetime(2026, 3, 29, 3, tzinfo=ZoneInfo("Europe/Zurich"))) - FIRST) // HOUR
    bank = there.bank(A)
    memory = bank.start()
    for number in range(spring - 30, spring + 30):
        step = bank.step(memory, FIRST + number * HOUR, {"all": there.sketch(commute(number, 1))})
        assert not step.comparison.jumped.any()
        assert step.alarm is None
        memory = step.after
    by_utc = world(commute(0, 600), rows_per_pane=20).bank(A)
    found = run(by_utc, [there.sketch(commute(number, 1)) for number in range(spring - 48, spring + 24)])
    assert any(step.alarm for step in found)  # by another clock it is one


def test_a_pane_of_the_day_never_seen_is_held_against_the_whole_mean() -> None:
    day = np.arange(480)[np.arange(480) % 24 < 12]
    values = swing(day, 1)
    there = world({"x": values.reshape(-1)}, rows_per_pane=ROWS)
    jumps = there.reference.numeric[0].jumps.model_copy(update={"pane_levels": (None,) * 24})
    profile = there.reference.numeric[0].model_copy(update={"jumps": jumps})
    changes = Changes([changed(there.reference, numeric=(profile,))], there.bank().budget)
    sketches = [there.sketch({"x": values[number]}) for number in (0, 1)]
    blocks = [(one.counts[:, 1:], one.sums[:, 1:]) for one in sketches]
    last = LastPane.nothing(1, 60).after(FIRST, *blocks[0])
    found = changes.compare(FIRST + HOUR, *blocks[1], last)
    assert found.effect[0] == pytest.approx(values[1].mean() - values[0].mean(), rel=1e-4)


def test_a_reference_with_too_few_panes_judges_no_jumps() -> None:
    few = world({"temp": swing(np.arange(100), 1).reshape(-1)}, rows_per_pane=ROWS)
    assert few.reference.numeric[0].jumps.pairs == 99
    assert few.bank(A).changes.limits().tolist() == [np.inf]
    assert few.bank(A).detector.groups[0].streams[0].jump is None


def test_a_constant_never_jumps_nor_is_stuck() -> None:
    there = world({"x": np.full(3000, 7.0)}, rows_per_pane=10)
    bank = there.bank(A)
    same = run(bank, [there.sketch({"x": np.full(10, 7.0)})] * 50)
    assert not any(step.alarm or step.comparison.jumped.any() for step in same)
    assert np.isneginf(bank.detector.groups[0].ln_weights[0, -9:]).all()
