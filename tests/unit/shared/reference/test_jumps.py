import numpy as np
import pytest
from numpy.typing import NDArray

from shared.reference.jumps import Jumps, day_means, find_jumps, pane_means
from shared.reference.panes import Int64, microseconds, pane_of_day, time_of
from shared.reference.panes import moment as at

HOUR = 3_600_000_000
START = 1_772_323_200_000_000  # 1 March 2026, 00:00 UTC


def noise(panes: int, rows: int, seed: int = 1) -> tuple[Int64, NDArray[np.float64]]:
    """Panes of an hour, each with a level of its own (sd 2) and rows around it (sd 1)."""
    random = np.random.default_rng(seed)
    times = START + np.repeat(np.arange(panes), rows) * HOUR + np.tile(np.arange(rows), panes)
    values = np.repeat(random.normal(0, 2, panes), rows) + random.normal(0, 1, panes * rows)
    return times, values


def test_variances_inside_and_between_panes_are_recovered() -> None:
    panes = pane_means(*noise(4000, 25), seconds=3600)
    jumps = find_jumps(panes, 0.1, "UTC", 3600)
    assert jumps.pairs == 3999
    assert jumps.within == pytest.approx(1 * 24 / 25, rel=0.02)
    assert jumps.between[0] == pytest.approx(2 * 2**2, rel=0.08)


def test_gaps_with_few_pairs_take_the_largest_spread() -> None:
    times, values = noise(400, 25)
    there = (times // HOUR) % 24 < 18  # no rows in six hours of each day: gaps of 1 and 7
    jumps = find_jumps(pane_means(times[there], values[there], 3600), 0.1, "UTC", 3600)
    assert jumps.between[0] == pytest.approx(8, rel=0.25)
    rare = [jumps.between[gap - 1] for gap in (2, 3, 4, 5, 6, 7, 8)]
    assert rare == [jumps.between[0]] * 7  # 16 days have 16 gaps of 7 hours, too few


def test_a_daily_cycle_is_no_jump_and_summer_time_is_none_either() -> None:
    hours = np.arange(40 * 24)  # over 8 March 2026, when New York goes over to summer time
    times = START + hours * HOUR
    local = np.array([pane_of_day(int(time), "America/New_York", 3600) for time in times])
    jumps = find_jumps(pane_means(times, local.astype(np.float64), 3600), 24.0, "America/New_York", 3600)
    assert max(z for _, z in jumps.tail) == pytest.approx(0)
    in_utc = find_jumps(pane_means(times, local.astype(np.float64), 3600), 24.0, "UTC", 3600)
    assert max(z for _, z in in_utc.tail) > 1


def test_a_pane_of_the_day_never_seen_takes_the_whole_mean() -> None:
    times = START + np.array([0, 1, 24, 25]) * HOUR
    jumps = find_jumps(pane_means(times, np.array([1.0, 2, 3, 4]), 3600), 1.0, "UTC", 3600)
    assert [jumps.expected(pane) for pane in (0, 1, 2)] == [2, 3, 2.5]


@pytest.mark.parametrize("alpha", [1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.5])
def test_the_kept_tail_gives_the_limit_of_all_the_largest_z(alpha: float) -> None:
    z = np.sort(np.abs(np.random.default_rng(3).standard_t(4, 2000)))[::-1]
    panes = pane_means(START + np.arange(2001) * HOUR, np.cumsum(np.concatenate([[0], z])), 3600)
    jumps = find_jumps(panes, 1e-9, "UTC", 86_400)
    natural = np.sort(np.abs(np.diff(panes.mean)) / np.sqrt(jumps.between[0]))[::-1]
    by_definition = max(natural[k - 1] * max(1, k / (2000 * alpha)) ** 0.25 for k in range(1, 201))
    assert jumps.limit(alpha, 0) == pytest.approx(by_definition, rel=1e-6)
    assert jumps.limit(alpha, 1e9) == 1e9
    assert len(jumps.tail) < 60


def test_natural_jumps_stay_below_the_limit_of_another_sample() -> None:
    jumps = find_jumps(pane_means(*noise(1400, 25, seed=1), seconds=3600), 0.1, "UTC", 3600)
    other = find_jumps(pane_means(*noise(50_000, 25, seed=2), seconds=3600), 0.1, "UTC", 3600)
    assert other.tail[0][1] < jumps.limit(0.1 / (720 * 14), 8)


def test_too_few_pairs_are_said() -> None:
    assert not find_jumps(pane_means(*noise(100, 3), seconds=3600), 0.1, "UTC", 3600).assessed
    assert find_jumps(pane_means(*noise(101, 3), seconds=3600), 0.1, "UTC", 3600).assessed


def test_a_feature_without_values_has_no_jumps() -> None:
    nothing = find_jumps(pane_means(np.empty(0, np.int64), np.empty(0), 3600), 1.0, "UTC", 3600)
    assert nothing.pairs == 0
    assert nothing.limit(0.01, 8) == 8
    assert Jumps.model_validate_json(nothing.model_dump_json()) == nothing


def test_days_are_local() -> None:
    times = START + np.array([0, 4, 5, 28, 29]) * HOUR  # midnight in New York is 05:00 UTC
    panes = pane_means(times, np.array([1.0, 3, 10, 20, 100]), 3600)
    np.testing.assert_allclose(day_means(panes, "America/New_York"), [2, 15, 100])


def test_times_go_to_datetimes_and_back() -> None:
    assert time_of(at(START + 1)) == START + 1
    assert microseconds(np.array(["2026-03-01T00:00:00"], dtype="datetime64[s]"))[0] == START
