import numpy as np

from shared.reference.bins import (
    COARSE,
    FINE,
    kept_levels,
    pooled_counts,
    quantile_edges,
)


def test_edges_are_quantiles_without_duplicates_or_an_empty_first_bin() -> None:
    ordered = np.arange(600, dtype=np.float32)
    np.testing.assert_array_equal(quantile_edges(ordered, FINE), np.arange(10, 600, 10))
    np.testing.assert_array_equal(quantile_edges(ordered, COARSE), np.arange(30, 600, 30))
    np.testing.assert_array_equal(quantile_edges(np.array([0] * 59 + [1], dtype=np.float32), FINE), [1])
    assert not len(quantile_edges(np.full(5000, 3.5, dtype=np.float32), FINE))
    assert not len(quantile_edges(np.empty(0, dtype=np.float32), FINE))


def test_coarse_edges_are_fine_edges_of_every_third_quantile() -> None:
    ordered = np.sort(np.random.default_rng(2).normal(size=1237).astype(np.float32))
    assert set(quantile_edges(ordered, COARSE)) <= set(quantile_edges(ordered, FINE))


def test_at_most_fifty_levels_are_kept_each_with_twenty_rows() -> None:
    assert kept_levels([30, 19, 50, 20, 30]) == (2, 0, 4, 3)
    assert len(kept_levels(list(range(20, 100)))) == 50


def test_the_last_bin_pools_rare_levels_and_allows_for_those_at_the_limit() -> None:
    counts = [30, 19, 50, 20, 20]
    assert pooled_counts(counts, kept_levels(counts)) == (50, 30, 20, 20, 19 + 2 * 20)
    full = [20] * 50
    assert pooled_counts(full, kept_levels(full))[-1] == 0
    assert pooled_counts([30], (0,), unseen_rows=4) == (30, 4)
