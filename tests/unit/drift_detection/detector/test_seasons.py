"""References split by hour of the day: power under a daily cycle, and no alarm from the cycle itself."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bank import Step
from shared.reference.panes import pane_of_day
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, World, run, world

ROWS = 200
KOLKATA = "Asia/Kolkata"  # its hours begin at half past UTC's


def cycle(first: int, count: int, zone: str, shift: float = 0.0) -> NDArray[np.float64]:
    """Rows of so many hours that go up and down with the day by 2 deviations."""
    random = np.random.default_rng(first)
    hours = np.arange(first, first + count)
    clock = np.array([pane_of_day(FIRST + int(hour) * HOUR, zone, 900) for hour in hours]) / 4
    level = 2 * np.sin(clock * np.pi / 12) + shift
    values: NDArray[np.float64] = level[:, None] + random.normal(size=(count, ROWS))
    return values


@cache
def split(season: str, zone: str = "UTC", pane_seconds: int = 3600) -> World:
    rows = ROWS * pane_seconds // 3600
    values = cycle(0, 24 * 60, zone).reshape(-1)
    return world({"x": values}, rows_per_pane=rows, season=season, time_zone=zone, pane_seconds=pane_seconds)


def alarms(there: World, first: int, count: int, shift: float = 0.0) -> list[int]:
    zone, size = there.monitoring.time_zone, there.pane // HOUR
    values = cycle(first, count * size, zone, shift).reshape(count, -1)
    steps: list[Step] = run(there.bank(720), [there.sketch({"x": one}) for one in values], there.pane)
    return [number for number, step in enumerate(steps) if step.alarm is not None]


def test_a_small_shift_under_a_daily_cycle_is_found_by_its_hours_and_not_by_all_rows() -> None:
    assert alarms(split("none"), 2400, 48, 0.25) == []
    found = alarms(split("hour_of_day"), 2400, 48, 0.25)
    assert found
    assert found[0] < 24


@pytest.mark.parametrize(("rows", "size"), [(200, 0.5), (40, 0.5), (40, 2.0), (10, 2.0)])
def test_a_daily_cycle_is_no_drift_however_many_of_its_hours_a_window_spans(rows: int, size: float) -> None:
    """Windows of 1,000 rows are 5 to 100 hours here: the cycle is gone from the longest."""
    random = np.random.default_rng(rows)
    level = size * np.sin(np.arange(24 * 100) * np.pi / 12)
    values = level[:, None] + random.normal(size=(2400, rows))
    there = world({"x": values.reshape(-1)}, rows_per_pane=rows)
    stream = [there.sketch({"x": one}) for one in level[:240, None] + random.normal(size=(240, rows))]
    assert [step.alarm for step in run(there.bank(720), stream) if step.alarm is not None] == []


@pytest.mark.parametrize("rows", [200, 40])
def test_values_missing_each_night_are_no_drift(rows: int) -> None:
    random = np.random.default_rng(rows)
    night = np.arange(24 * 100) % 24 < 8

    def hours(count: int) -> NDArray[np.float64]:
        drawn = random.normal(size=(count, rows))
        drawn[night[:count, None] & (random.random((count, rows)) < 0.3)] = np.nan
        return drawn

    there = world({"x": hours(2400).reshape(-1)}, rows_per_pane=rows)
    found = run(there.bank(720), [there.sketch({"x": one}) for one in hours(240)])
    assert [step.alarm for step in found if step.alarm is not None] == []


@pytest.mark.parametrize(
    ("season", "zone", "pane_seconds"),
    [
        ("hour_of_day", "UTC", 3600),
        ("hour_of_day", KOLKATA, 3600),
        ("hour_of_day", "UTC", 6 * 3600),
        ("day_of_week", "UTC", 3600),
    ],
)
def test_the_cycle_itself_is_no_drift_whatever_the_panes(season: str, zone: str, pane_seconds: int) -> None:
    assert alarms(split(season, zone, pane_seconds), 24 * 100, 240 * 3600 // pane_seconds) == []


def test_an_hour_is_held_against_the_rows_of_its_panes() -> None:
    there = split("hour_of_day", KOLKATA)
    profile = there.reference.numeric[0]
    assert len(profile.seasons) == 24
    assert np.array(profile.seasons).sum(axis=0).tolist() == list(profile.coarse_counts)
    assert [sum(counts) for counts in profile.seasons] == [60 * ROWS] * 24


def test_an_hour_with_few_rows_is_held_against_all() -> None:
    few = world({"x": np.random.default_rng(0).normal(size=5000)}, rows_per_pane=100, season="hour_of_day")
    profile = few.reference.numeric[0]
    assert profile.seasons == (profile.coarse_counts,) * 24  # none has 1,000
