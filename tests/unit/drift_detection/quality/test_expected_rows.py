import numpy as np
import pytest
from scipy import stats

from services.drift_detection.domain.quality.volume import TOLERANCE, expect, silent_after
from shared.reference import Reference, Volume
from tests.unit.drift_detection.quality.simple import HOUR, START, reference

LEVEL = 1e-4


def known(mean: float, clustering: float = 1.0, swing: float = 0.0, days: int = 1_000) -> Reference:
    """With so many rows in each hour."""
    volume = Volume(rows=(round(mean * days),) * 24, days=(days,), clustering=clustering, swing=swing)
    return reference().model_copy(update={"volume": volume})


def test_independent_rows_keep_within_the_bounds_of_a_poisson() -> None:
    found = expect(known(1_000), START, 1.0, LEVEL)
    assert found is not None
    assert found.low + TOLERANCE * found.rows == pytest.approx(stats.poisson.ppf(LEVEL, 1_000), rel=0.01)
    assert found.high - TOLERANCE * found.rows == pytest.approx(stats.poisson.isf(LEVEL, 1_000), rel=0.01)


@pytest.mark.parametrize(("clustering", "swing"), [(1, 0), (10, 0), (1, 0.04), (5, 0.1)])
def test_windows_of_such_a_volume_pass_a_bound_as_often_as_they_may(clustering: float, swing: float) -> None:
    found = expect(known(200, clustering, swing), START, 1.0, 1e-3)
    assert found is not None
    variance = clustering * 200 + swing * 200**2
    counts = np.random.default_rng(1).gamma(200**2 / variance, variance / 200, 20_000)
    assert np.mean((counts < found.low) | (counts > found.high)) <= 0.0025


def test_a_quiet_feed_needs_more_empty_windows_to_be_silent_than_a_busy_one() -> None:
    def needed(there: Reference, share: float = 1.0) -> int:
        number = silent_after(there, range(START, START + 1_000 * HOUR, HOUR), share, LEVEL)
        assert number is not None
        return number

    quiet = needed(known(0.5))
    assert needed(known(50)) == 1
    assert quiet == pytest.approx(-np.log(LEVEL) / 0.5, abs=1)
    assert needed(known(0.5, clustering=4)) > quiet
    assert needed(known(0.5), 0.5) == pytest.approx(2 * quiet, abs=1)


def test_a_feed_that_swings_widely_may_never_be_called_silent() -> None:
    assert silent_after(known(50, swing=100), range(START, START + 100 * HOUR, HOUR), 1.0, LEVEL) is None


def test_without_a_volume_nothing_is_expected() -> None:
    bare = reference().model_copy(update={"volume": None})
    assert expect(bare, START, 1.0, LEVEL) is None
    assert silent_after(bare, range(START, START + 100 * HOUR, HOUR), 1.0, LEVEL) is None
