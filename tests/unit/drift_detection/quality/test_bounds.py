from math import comb

import numpy as np
import pytest
from scipy import stats

from services.drift_detection.domain.quality.bounds import drawn_tail, rate_tail, record_tail, scaled, too_many

ONE = np.ones(1)
LEVEL = 1e-4


def floats(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(("rows", "marked", "of"), [(1000, 0, 5000), (1000, 50, 5000), (30, 3, 400), (7, 0, 100_000)])
def test_a_rate_is_judged_by_the_binomial_at_the_bound_of_clopper_and_pearson(rows: int, marked: int, of: int) -> None:
    tail = rate_tail(floats(rows), floats(marked), floats(of), (ONE, ONE), LEVEL)
    least = int(too_many(floats(rows), tail, LEVEL)[0])
    bound = stats.beta.ppf(1 - LEVEL, marked + 1, of - marked)
    assert stats.binom.sf(least - 1, rows, bound) <= LEVEL < stats.binom.sf(least - 2, rows, bound)


@pytest.mark.parametrize(("rows", "of"), [(1000, 20_000), (50, 3000), (3, 400)])
def test_records_are_judged_by_how_n_and_r_values_can_be_ordered(rows: int, of: int) -> None:
    least = int(too_many(floats(rows), record_tail(floats(rows), floats(of), (ONE, ONE)), LEVEL)[0])

    def chance(count: int) -> float:
        return comb(rows, count) / comb(rows + of, count)

    assert chance(least) <= LEVEL < chance(least - 1)


@pytest.mark.parametrize(
    ("count", "drawn", "marked", "rows"),
    [
        (0, 10, 5, 50),
        (3, 10, 5, 50),
        (5, 10, 5, 50),
        (9, 9, 10, 10),
        (40, 5_000, 60, 9_000),
        (7, 4, 8, 10),
        (1, 9, 0, 10),
    ],
)
def test_drawn_rows_are_judged_by_fisher(count: int, drawn: int, marked: int, rows: int) -> None:
    expected = stats.hypergeom.sf(count - 1, rows, marked, drawn)
    assert drawn_tail(count, drawn, marked, rows) == pytest.approx(expected, rel=1e-9)


def test_where_no_count_is_too_many_the_least_is_beyond_all_rows() -> None:
    tail = rate_tail(floats(2, 100), floats(50, 100), floats(100, 100), (np.ones(2), np.ones(2)), LEVEL)
    assert too_many(floats(2, 100), tail, LEVEL).tolist() == [3, 101]


def test_rows_in_clumps_count_as_so_many_fewer() -> None:
    alone = rate_tail(floats(1000), floats(50), floats(5000), (ONE, ONE), LEVEL)
    clumps = rate_tail(floats(10_000), floats(500), floats(50_000), (10 * ONE, 10 * ONE), LEVEL)
    assert clumps(floats(300)) == pytest.approx(alone(floats(30)))


def test_a_design_effect_grows_with_the_rows_of_a_window() -> None:
    assert scaled(floats(5, 5, 1), floats(20, 200, 50), 20).tolist() == [5, 41, 1]
