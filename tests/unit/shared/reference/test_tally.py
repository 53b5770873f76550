"""Counting against plain numpy, for columns that are hard to put into bins."""

from dataclasses import dataclass

import numpy as np
import pytest

from shared.features import Float32
from shared.reference.bins import FINE, NUMERIC_WIDTH, quantile_edges
from shared.reference.measure import Clip, Measure


def sample(name: str) -> Float32:
    random = np.random.default_rng(1)
    values = {
        "normal": random.normal(size=5000),
        "far_from_zero": 2013 + random.random(5000),
        "heavy_tails": random.standard_cauchy(5000),
        "lognormal": random.lognormal(0, 3, 5000),
        "crowded": np.where(random.random(5000) < 0.01, 1e6, random.random(5000)),
        "few_values": random.integers(0, 5, 5000),
        "mostly_zero": np.where(random.random(5000) < 0.9, 0, random.random(5000)),
        "constant": np.full(5000, 3.5),
        "tiny": random.normal(size=5000) * 1e-42,
        "huge": random.normal(size=5000) * 1e37,
    }[name]
    return values.astype(np.float32)


KINDS = (
    "normal",
    "far_from_zero",
    "heavy_tails",
    "lognormal",
    "crowded",
    "few_values",
    "mostly_zero",
    "constant",
    "tiny",
    "huge",
)
HUGE = np.array([-np.inf, np.inf, -3e38, 3e38, 0, -0.0], dtype=np.float32)


@dataclass(frozen=True)
class Column:
    clip: Clip
    edges: tuple[float, ...]
    minimum: float
    maximum: float


def column_of(values: Float32) -> Column:
    ordered = np.sort(values)
    low, high = float(ordered[10]), float(ordered[-10])
    clip = Clip(low, high, high - low or 1.0)
    return Column(clip, tuple(quantile_edges(ordered, FINE).tolist()), float(ordered[0]), float(ordered[-1]))


def measure_of(*columns: Float32) -> Measure:
    return Measure([column_of(values) for values in columns], [])


def hard(column: Float32) -> Float32:
    """Its values, the floats beside its edges and the ends of its range, and those far away."""
    ends = np.array([column.min(), column.max()], dtype=np.float32)
    edges = np.concatenate([quantile_edges(np.sort(column), FINE), ends])
    around = [edges, np.nextafter(edges, np.float32(-np.inf)), np.nextafter(edges, np.float32(np.inf))]
    return np.concatenate([column, *around, HUGE])


@pytest.mark.parametrize("kind", KINDS)
def test_each_value_counts_in_the_bin_that_a_sorted_search_finds(kind: str) -> None:
    column = sample(kind)
    measure, values = measure_of(column), hard(column)
    edges = quantile_edges(np.sort(column), FINE)
    expected = 1 + np.searchsorted(edges, values, side="right")
    tallies = list(measure.count([values[:, None]]))
    counts = sum(tally.counts[0] for tally in tallies)
    np.testing.assert_array_equal(counts, np.bincount(expected, minlength=NUMERIC_WIDTH))
    outside = sum(tally.outside[:, 0] for tally in tallies)
    np.testing.assert_array_equal(outside, [(values < column.min()).sum(), (values > column.max()).sum()])
    assert sum(int(tally.zeros[0]) for tally in tallies) == (values == 0).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_the_places_on_the_grid(kind: str) -> None:
    column = sample(kind)
    measure, values = measure_of(column), hard(column)
    places = measure.grid(values[:, None])[:, 0]
    low, high = measure.centre[0] - 2**19 * measure.step[0], measure.centre[0] + 2**19 * measure.step[0]
    exact = (np.clip(values.astype(np.float64), low, high) - measure.centre[0]) / measure.step[0]
    assert np.abs(places - exact).max() <= 0.75
    bins = 1 + np.searchsorted(quantile_edges(np.sort(column), FINE), values, side="right")
    sums = np.zeros(NUMERIC_WIDTH, dtype=np.int64)
    np.add.at(sums, bins, places)
    tallies = list(measure.count([values[:, None]]))
    np.testing.assert_array_equal(sum(tally.sums[0] for tally in tallies), sums)
    assert sum(int(tally.squares[0]) for tally in tallies) == (places**2).sum()


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 499, 4096, 9001])
def test_columns_do_not_disturb_each_other_and_missing_counts_at_0(rows: int) -> None:
    random = np.random.default_rng(2)
    columns = [sample(kind) for kind in KINDS]
    block = np.column_stack([random.choice(column, rows) for column in columns]).astype(np.float32)
    block[random.random(block.shape) < 0.1] = np.nan
    tallies = list(measure_of(*columns).count([block[:, :3], block[:, 3:]]))
    assert bool(tallies) == bool(rows)
    for number, (column, values) in enumerate(zip(columns, block.T, strict=True)):
        alone = list(measure_of(column).count([values[:, None]]))
        for name in ("counts", "sums", "squares", "zeros"):
            ours, own = (sum(getattr(one, name)[row] for one in many) for many, row in ((tallies, number), (alone, 0)))
            np.testing.assert_array_equal(ours, own)
        assert sum(int(tally.counts[number, 0]) for tally in tallies) == np.isnan(values).sum()


def test_no_columns_have_no_tallies() -> None:
    assert not list(measure_of().count([np.empty((5, 0), dtype=np.float32)]))
