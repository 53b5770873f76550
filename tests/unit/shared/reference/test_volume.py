import numpy as np
import pytest
from numpy.typing import NDArray

from shared.reference.panes import MICROSECONDS
from shared.reference.volume import Volume, find_volume

HOUR = 3_600
ZONE = "America/New_York"
MONDAY = 1_768_194_000  # 2026-01-12 00:00 in New York
Int64 = NDArray[np.int64]


def times(counts: Int64, first: int = MONDAY) -> Int64:
    """Event times of so many rows in each hour."""
    starts = (first + HOUR * np.arange(len(counts))) * MICROSECONDS
    return np.repeat(starts, counts) + 7 * MICROSECONDS


def found(counts: Int64) -> Volume:
    volume = find_volume(times(counts), ZONE, HOUR)
    assert volume is not None
    return volume


def expected(volume: Volume, hour: int) -> float:
    return volume.expect((MONDAY + HOUR * hour) * MICROSECONDS, ZONE, HOUR)[0]


def test_each_pane_of_the_local_day_has_its_mean() -> None:
    volume = found(np.tile(np.arange(24), 12))
    assert [expected(volume, hour) for hour in range(24)] == pytest.approx([hour + 0.05 for hour in range(24)])
    assert volume.days == (10,)  # neither the first nor the last


def test_weekdays_are_told_apart_once_each_was_seen_four_times() -> None:
    counts = np.concatenate([np.full(24, 10 if day % 7 >= 5 else 100) for day in range(40)])
    assert len(found(counts[: 24 * 20]).days) == 1
    volume = found(counts)
    assert len(volume.days) == 7
    assert [round(expected(volume, 24 * day)) for day in range(7)] == [100] * 5 + [10, 10]


def test_hours_of_a_business_stay_the_same_over_the_change_to_summer_time() -> None:
    march = np.datetime64("2026-03-02T05:00", "us")  # midnight in New York, until the 8th
    local_noon = [march + np.timedelta64(24 * day + (12 if day < 6 else 11), "h") for day in range(14)]
    events = np.repeat(np.array(local_noon).astype(np.int64), 50)
    ends = np.array([march, march + np.timedelta64(24 * 14, "h")]).astype(np.int64)
    volume = find_volume(np.sort(np.concatenate([events, ends])), ZONE, HOUR)
    assert volume is not None
    assert sum(rows > 0 for rows in volume.rows) == 1


def test_empty_panes_count_and_less_than_a_week_has_no_volume() -> None:
    counts = np.where(np.arange(24 * 12) % 48 == 30, 10, 0) + np.isin(np.arange(24 * 12), [0, 24 * 12 - 1])
    volume = found(counts)
    assert expected(volume, 6) == pytest.approx(5.05)
    assert find_volume(times(np.full(24 * 8, 5)), ZONE, HOUR) is None
    assert find_volume(times(np.array([3])), ZONE, HOUR) is None


def test_one_row_of_long_ago_costs_nothing() -> None:
    counts = np.full(24 * 12, 5)
    old = np.concatenate([[-2_000_000_000 * MICROSECONDS], times(counts)])
    assert find_volume(old, ZONE, HOUR) == found(counts)


def test_independent_rows_vary_as_a_poisson_and_bursts_by_their_size() -> None:
    random = np.random.default_rng(3)
    alone, bursts = random.poisson(40, 24 * 60), 10 * random.poisson(4, 24 * 60)
    assert found(alone).variance(40, 10**9) == pytest.approx(40, rel=0.15)
    assert found(bursts).variance(40, 10**9) == pytest.approx(400, rel=0.15)


def test_busy_days_swing_in_proportion() -> None:
    random = np.random.default_rng(4)
    busy = random.lognormal(0, 0.2, 60).repeat(24)
    hours = np.tile(np.where(np.arange(24) < 12, 10, 1_000), 60)
    volume = find_volume(times(random.poisson(hours * busy)), "UTC", HOUR)
    assert volume is not None
    assert volume.variance(1_000, 10**9) ** 0.5 == pytest.approx(205, rel=0.25)
    assert volume.variance(10, 10**9) ** 0.5 < 6


def test_a_pane_far_out_widens_the_variance() -> None:
    random = np.random.default_rng(5)
    counts = random.poisson(100, 24 * 60)
    faulty = counts.copy()
    faulty[100:104] = 900
    assert found(faulty).variance(100, 60) > 10 * found(counts).variance(100, 60)
