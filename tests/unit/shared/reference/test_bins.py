import numpy as np
import pytest

from shared.features import Float32
from shared.reference.bins import (
    COARSE,
    FINE,
    LevelBinner,
    NumericBinner,
    kept_levels,
    pooled_counts,
    quantile,
    quantile_edges,
)


def sample(name: str) -> Float32:
    random = np.random.default_rng(1)
    values = {
        "normal": random.normal(size=5000),
        "heavy_tails": random.standard_cauchy(5000),
        "lognormal": random.lognormal(0, 3, 5000),
        "few_values": random.integers(0, 5, 5000),
        "mostly_zero": np.where(random.random(5000) < 0.9, 0, random.random(5000)),
        "constant": np.full(5000, 3.5),
        "tiny": random.normal(size=5000) * 1e-42,
        "huge": random.normal(size=5000) * 1e37,
    }[name]
    return np.sort(values.astype(np.float32))


KINDS = ("normal", "heavy_tails", "lognormal", "few_values", "mostly_zero", "constant", "tiny", "huge")


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_finds_the_bin_that_a_sorted_search_finds(kind: str) -> None:
    ordered = sample(kind)
    edges = quantile_edges(ordered, FINE)
    binner = NumericBinner([edges], [(quantile(ordered, 0.002), quantile(ordered, 0.998))])
    around = np.concatenate([edges, np.nextafter(edges, np.float32(-np.inf)), np.nextafter(edges, np.float32(np.inf))])
    values = np.concatenate([ordered, around, np.array([-np.inf, np.inf, -3e38, 3e38, 0], dtype=np.float32)])
    expected = 1 + np.searchsorted(edges, values, side="right")
    np.testing.assert_array_equal(binner(values[:, None])[:, 0], expected)


def test_missing_is_index_0_and_columns_do_not_disturb_each_other() -> None:
    columns = [sample(kind) for kind in KINDS]
    edges = [quantile_edges(column, FINE) for column in columns]
    binner = NumericBinner(edges, [(quantile(column, 0.002), quantile(column, 0.998)) for column in columns])
    block = np.column_stack(columns)
    block[::7, 2] = np.nan
    for number, (column, bins) in enumerate(zip(block.T, binner(block).T, strict=True)):
        expected = np.where(np.isnan(column), 0, 1 + np.searchsorted(edges[number], column, side="right"))
        np.testing.assert_array_equal(bins, expected)


def test_edges_are_quantiles_without_duplicates_or_an_empty_first_bin() -> None:
    ordered = np.arange(600, dtype=np.float32)
    np.testing.assert_array_equal(quantile_edges(ordered, FINE), np.arange(10, 600, 10))
    np.testing.assert_array_equal(quantile_edges(ordered, COARSE), np.arange(30, 600, 30))
    np.testing.assert_array_equal(quantile_edges(np.array([0] * 59 + [1], dtype=np.float32), FINE), [1])
    assert not len(quantile_edges(sample("constant"), FINE))
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


def test_codes_fall_in_their_level_in_the_last_bin_or_in_missing() -> None:
    binner = LevelBinner([(2, 0), ()])
    codes = np.array([[-2, -2], [-1, -1], [0, 0], [1, 1], [2, 2], [3, 3], [2_000_000_000, 5]], dtype=np.int32)
    np.testing.assert_array_equal(binner(codes)[:, 0], [0, 3, 2, 3, 1, 3, 3])
    np.testing.assert_array_equal(binner(codes)[:, 1], [0, 1, 1, 1, 1, 1, 1])
