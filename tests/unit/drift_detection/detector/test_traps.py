"""Runs of panes in which a detector that is a little wrong alarms, or never does."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bank import Bank, Step
from shared.reference import Sketch
from tests.unit.drift_detection.detector.worlds import HOUR, World, run, world

Column = NDArray[np.float64]


def alarms(steps: list[Step]) -> list[int]:
    return [number for number, step in enumerate(steps) if step.alarm is not None]


@cache
def five() -> World:
    """Four normal features and one of ten levels, 20,000 rows."""
    random = np.random.default_rng(0)
    numeric = {f"x{number}": random.normal(size=20_000) for number in range(4)}
    return world(numeric, {"c": random.integers(0, 10, 20_000)}, rows_per_pane=1000)


def pane(seed: int, rows: int, shift: float = 0.0, missing: float = 0.0) -> Sketch:
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(4, rows))
    drawn[0] += shift
    drawn[1][random.random(rows) < missing] = np.nan
    return five().sketch({f"x{n}": column for n, column in enumerate(drawn)}, {"c": random.integers(0, 10, rows)})


def test_a_thousand_panes_without_drift_do_not_alarm() -> None:
    assert alarms(run(five().bank(1000), [pane(seed, 300) for seed in range(1000)])) == []


def test_panes_of_any_size_without_drift_do_not_alarm() -> None:
    sizes = np.random.default_rng(1).choice([0, 1, 3, 10, 200, 2000], 600).tolist()
    assert alarms(run(five().bank(1000), [pane(seed, rows) for seed, rows in enumerate(sizes) if rows])) == []


def test_panes_of_three_rows_do_not_alarm() -> None:
    assert alarms(run(five().bank(1000), [pane(seed, 3) for seed in range(1000)])) == []


@pytest.mark.parametrize(("shift", "panes"), [(0.25, 2), (0.1, 8)])
def test_a_shift_is_found_within_so_many_panes_and_named(shift: float, panes: int) -> None:
    bank, delays = five().bank(1000), []
    for seed in range(10):
        before = [pane(100 * seed + number, 1000) for number in range(20)]
        steps = run(bank, [*before, *(pane(100 * seed + number, 1000, shift) for number in range(20, 40))])
        first = alarms(steps)[0]
        assert first >= 20
        alarm = steps[first].alarm
        assert alarm is not None
        assert np.flatnonzero(alarm.named).tolist() == [0]
        delays.append(first - 19)
    assert np.mean(delays) <= panes


def test_a_column_that_goes_missing_is_found_in_its_pane() -> None:
    steps = run(five().bank(1000), [*(pane(number, 1000) for number in range(5)), pane(5, 1000, missing=0.05)])
    assert alarms(steps) == [5]
    assert steps[5].alarm is not None
    assert np.flatnonzero(steps[5].alarm.named).tolist() == [1]


def bank_of(columns: dict[str, Column], steps: float = 100) -> tuple[World, Bank]:
    there = world(columns)
    return there, there.bank(steps)


def test_a_constant_feature_never_alarms() -> None:
    there, bank = bank_of({"x": np.full(5000, 7.0)})
    assert alarms(run(bank, [there.sketch({"x": np.full(500, 7.0)})] * 2000)) == []


def test_a_constant_feature_that_changes_is_found_at_once() -> None:
    there, bank = bank_of({"x": np.full(5000, 7.0)})
    assert alarms(run(bank, [there.sketch({"x": np.full(500, value)}) for value in (7, 7, 8)])) == [2]


def test_a_feature_never_seen_alarms_only_when_it_appears() -> None:
    there, bank = bank_of({"x": np.full(5000, np.nan)})
    nothing = there.sketch({"x": np.full(500, np.nan)})
    appears = there.sketch({"x": np.r_[np.full(400, np.nan), np.ones(100)]})
    assert alarms(run(bank, [*[nothing] * 1000, appears])) == [1000]


def test_a_feature_hardly_ever_there_does_not_alarm_by_being_away() -> None:
    """Some panes have none of its values: nothing is bet in them, and nothing grows."""
    values = np.full(20_000, np.nan)
    values[::500] = np.random.default_rng(0).normal(size=40)
    there, bank = bank_of({"x": values}, steps=200)
    assert alarms(run(bank, [there.sketch({"x": np.full(100, np.nan)})] * 1000)) == []


def test_two_values_are_watched_by_their_share() -> None:
    random = np.random.default_rng(3)
    there, bank = bank_of({"x": (random.random(20_000) < 0.3).astype(np.float64)}, steps=1000)
    calm = [there.sketch({"x": random.random(1000) < 0.3}) for _ in range(300)]
    assert alarms(run(bank, [*calm, *[there.sketch({"x": random.random(1000) < 0.4})] * 2]))[0] in (300, 301)


@pytest.mark.parametrize(("levels", "rows"), [(80, 1600), (200, 4000), (400, 8000)])
def test_levels_kept_for_what_they_were_by_chance_do_not_alarm(levels: int, rows: int) -> None:
    """Of levels that are all as frequent, those that are kept were more so in the reference than they will be."""
    random = np.random.default_rng(levels)
    names = tuple(f"level {number}" for number in range(levels))

    def drawn(count: int) -> dict[str, NDArray[np.int64]]:
        return {f"c{number}": random.integers(0, levels, count) for number in range(10)}

    there = world({}, drawn(rows), categories=names)
    assert all(len(profile.kept) > 30 for profile in there.reference.categorical)
    assert alarms(run(there.bank(1000), [there.sketch({}, drawn(1000)) for _ in range(60)])) == []


@cache
def weather() -> World:
    random = np.random.default_rng(5)
    level = 10 * np.sin(np.arange(600) / 20) + random.normal(size=600)
    return world({"wind": np.repeat(level, 30) + random.normal(size=18_000)}, rows_per_pane=30)


def winds(first: int, count: int) -> list[Sketch]:
    random = np.random.default_rng(first)
    level = 10 * np.sin(np.arange(first, first + count) / 20) + random.normal(size=count)
    return [weather().sketch({"wind": one + random.normal(size=30)}) for one in level]


def test_what_stands_still_is_found_though_its_value_is_a_natural_one() -> None:
    bank = weather().bank(720)
    stuck = winds(40, 1) * 30
    steps = run(bank, [*winds(0, 40), *stuck])
    assert alarms(steps)
    assert 41 < alarms(steps)[0] < 60
    assert [bool(step.comparison.flat[0]) for step in steps[39:43]] == [False, False, True, True]


def test_panes_that_are_not_next_to_each_other_on_the_clock_are_not_flat() -> None:
    bank, [same] = weather().bank(720), winds(0, 1)
    steps = run(bank, [same] * 200, 2 * HOUR)
    assert not any(step.comparison.flat.any() for step in steps)
    assert np.isneginf(steps[-1].after.state[0].ln_r[0, -8:]).all()
