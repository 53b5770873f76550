import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from services.drift_detection.domain import statistics

BINS = 12
SEEDS = range(20)
Counts = NDArray[np.int64]


def pair(seed: int) -> tuple[Counts, Counts]:
    """Counts of a window and of a reference in the same bins, the window's some of them empty."""
    random = np.random.default_rng(seed)
    return random.integers(0, 6, BINS) + (np.arange(BINS) == 3), random.integers(1, 400, BINS)


def everywhere(counts: Counts) -> NDArray[np.bool_]:
    return np.ones(counts.shape, np.bool_)


@pytest.mark.parametrize("seed", SEEDS)
def test_psi_is_the_symmetric_relative_entropy_of_smoothed_shares(seed: int) -> None:
    counts, expected = pair(seed)
    a = (counts + 0.5) / (counts.sum() + BINS / 2)
    e = (expected + 0.5) / (expected.sum() + BINS / 2)
    by_scipy = stats.entropy(a, e) + stats.entropy(e, a)
    assert statistics.psi(counts, expected, everywhere(counts)) == pytest.approx(by_scipy)


@pytest.mark.parametrize("seed", SEEDS)
def test_ks_is_that_of_scipy_on_binned_values(seed: int) -> None:
    counts, expected = pair(seed)
    places = np.arange(BINS)
    by_scipy, *_ = stats.ks_2samp(np.repeat(places, counts), np.repeat(places, expected))
    assert statistics.kolmogorov_smirnov(counts, expected) == pytest.approx(by_scipy)


@pytest.mark.parametrize("seed", SEEDS)
def test_jensen_shannon_is_the_distance_of_scipy_in_base_2(seed: int) -> None:
    counts, expected = pair(seed)
    assert statistics.jensen_shannon(counts, expected) == pytest.approx(jensenshannon(counts, expected, base=2))


@pytest.mark.parametrize("seed", SEEDS)
def test_chi_square_is_that_of_scipy_against_smoothed_shares(seed: int) -> None:
    counts, expected = pair(seed)
    wanted = (expected + 0.5) / (expected + 0.5).sum() * counts.sum()
    by_scipy = stats.chisquare(counts, wanted).statistic
    assert statistics.chi_square(counts, expected, everywhere(counts)) == pytest.approx(by_scipy)


@pytest.mark.parametrize("seed", SEEDS)
def test_wasserstein_is_that_of_scipy_on_the_means_of_the_bins(seed: int) -> None:
    counts, expected = pair(seed)
    random = np.random.default_rng(seed)
    means, expected_means = np.arange(BINS) + random.random((2, BINS))
    by_scipy = stats.wasserstein_distance(means, expected_means, counts, expected)
    unseen = np.where(counts == 0, np.nan, means)
    assert statistics.wasserstein(counts, unseen, expected, expected_means) == pytest.approx(by_scipy)


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_wasserstein_from_bins_is_close_to_that_of_the_rows(shift: float) -> None:
    random = np.random.default_rng(5)
    there, here = random.normal(size=20_000), random.normal(shift, 1, 20_000)
    edges = np.quantile(there, np.arange(1, 60) / 60)
    sides = [np.searchsorted(edges, values, side="right") for values in (here, there)]
    counts = [np.bincount(side, minlength=60) for side in sides]
    means = [
        np.bincount(side, values, 60) / count for side, values, count in zip(sides, (here, there), counts, strict=True)
    ]
    found = statistics.wasserstein(counts[0], means[0], counts[1], means[1])
    assert found == pytest.approx(stats.wasserstein_distance(here, there), rel=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_bins_that_do_not_exist_change_nothing(seed: int) -> None:
    counts, expected = pair(seed)
    here, there = (np.concatenate([side, np.zeros(5, np.int64)]) for side in (counts, expected))
    valid = np.arange(BINS + 5) < BINS
    means = np.arange(BINS + 5.0)
    assert statistics.psi(here, there, valid) == pytest.approx(statistics.psi(counts, expected, everywhere(counts)))
    assert statistics.chi_square(here, there, valid) == pytest.approx(
        statistics.chi_square(counts, expected, everywhere(counts))
    )
    assert statistics.wasserstein(here, means, there, means) == pytest.approx(
        statistics.wasserstein(counts, means[:BINS], expected, means[:BINS])
    )


def test_equal_windows_have_no_distance_and_all_columns_are_done_at_once() -> None:
    counts = np.array([[1, 2, 3], [5, 0, 0]])
    means = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(statistics.kolmogorov_smirnov(counts, counts * 7), 0)
    np.testing.assert_allclose(statistics.jensen_shannon(counts, counts * 7), 0, atol=1e-7)
    np.testing.assert_allclose(statistics.wasserstein(counts, means, counts, means), 0)
    np.testing.assert_allclose(statistics.psi(counts, counts, everywhere(counts)), 0)
