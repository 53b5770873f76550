from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from shared.monitoring import Monitoring
from shared.reference.habits import day_shares, importance, level_habits
from shared.reference.panes import MICROSECONDS, moment, time_of

DAY = 86_400 * MICROSECONDS


@pytest.mark.parametrize("zone", ["Europe/Zurich", "Asia/Kathmandu", "America/St_Johns", "UTC"])
def test_shares_are_of_local_days(zone: str) -> None:
    random = np.random.default_rng(5)
    begin = time_of(datetime(2026, 3, 27, tzinfo=ZoneInfo("UTC")))  # summer time begins on the 29th
    times = np.sort(begin + random.integers(0, 6 * DAY, 2000))
    occurs = random.random((2000, 2)) < [0.1, 0.7]
    by_day: dict[object, list[int]] = {}
    for number, time in enumerate(times.tolist()):
        by_day.setdefault(moment(time).astimezone(ZoneInfo(zone)).date(), []).append(number)
    shares = [[sum(occurs[number, k] for number in rows) / len(rows) for rows in by_day.values()] for k in (0, 1)]
    low, high = day_shares(occurs, times, zone)
    assert low == pytest.approx([min(one) for one in shares])
    assert high == pytest.approx([max(one) for one in shares])


def test_importance_is_the_share_of_the_scores_variance_between_bins() -> None:
    random = np.random.default_rng(2)
    bins = random.integers(0, 5, 1000)
    scores = (bins + random.normal(size=1000)).astype(np.float32)
    total = sum((float(one) - float(np.mean(scores, dtype=np.float64))) ** 2 for one in scores)
    within = sum(
        float(np.square(scores[bins == b].astype(np.float64) - scores[bins == b].mean(dtype=np.float64)).sum())
        for b in range(5)
    )
    assert importance(bins, scores[:, None]) == pytest.approx(1 - within / total)


def test_a_score_that_is_the_bin_is_all_of_it_and_one_that_is_not_is_none() -> None:
    bins = np.repeat(np.arange(4), 250)
    assert importance(bins, bins[:, None].astype(np.float32)) == pytest.approx(1)
    assert importance(bins, np.tile([0, 1], 500)[:, None].astype(np.float32)) == pytest.approx(0, abs=1e-12)


def test_rows_without_a_score_do_not_count_towards_importance() -> None:
    bins = np.array([0, 0, 1, 1, 1])
    scores = np.array([[1], [2], [3], [5], [np.nan]], np.float32)
    assert importance(bins, scores) == pytest.approx(importance(bins[:4], scores[:4]))


@pytest.mark.parametrize(
    "scores", [np.empty((3, 0)), np.ones((3, 1)), np.full((3, 1), np.nan), [[1], [np.nan], [np.nan]]]
)
def test_there_is_no_importance_where_the_scores_do_not_vary(scores: object) -> None:
    assert importance(np.array([0, 1, 2]), np.array(scores, np.float32)) is None


def test_a_categorical_column_says_how_its_levels_and_its_missing_rows_vary() -> None:
    bins = np.random.default_rng(1).integers(-1, 3, 3000)
    pooled = np.bincount(bins[bins >= 0]).tolist()
    times = np.arange(3000) * MICROSECONDS
    found = level_habits(bins, times, pooled, Monitoring(nominal_rows=50))
    assert (found["dispersion"].windows, len(found["dispersion"].components)) == (60, 3)
    assert found["missing_dispersion"].windows == 60
    assert level_habits(np.abs(bins), times, pooled, Monitoring())["missing_dispersion"] is None
