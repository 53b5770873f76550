"""Counting against plain numpy, for columns that are hard to put into bins."""

from dataclasses import dataclass

import numpy as np
import pytest

from shared.features import Float32
from shared.reference import Sketch
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


def counted(measure: Measure, *blocks: Float32) -> Sketch:
    sketch = Sketch.empty(sum(block.shape[1] for block in blocks), 0)
    measure.count(blocks, sketch)
    return sketch


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
    found = counted(measure, values[:, None])
    np.testing.assert_array_equal(found.counts[0], np.bincount(expected, minlength=NUMERIC_WIDTH))
    outside = [(values < column.min()).sum(), (values > column.max()).sum()]
    np.testing.assert_array_equal(found.outside[:, 0], outside)
    assert found.zeros[0] == (values == 0).sum()


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
    found = counted(measure, values[:, None])
    np.testing.assert_array_equal(found.sums[0], sums)
    assert found.total_squares() == [(places**2).sum()]


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 499, 4096, 9001])
def test_columns_do_not_disturb_each_other_and_missing_counts_at_0(rows: int) -> None:
    random = np.random.default_rng(2)
    columns = [sample(kind) for kind in KINDS]
    block = np.column_stack([random.choice(column, rows) for column in columns]).astype(np.float32)
    block[random.random(block.shape) < 0.1] = np.nan
    together = counted(measure_of(*columns), block[:, :3], block[:, 3:])
    for number, (column, values) in enumerate(zip(columns, block.T, strict=True)):
        alone = counted(measure_of(column), values[:, None])
        for name in ("counts", "sums", "zeros"):
            np.testing.assert_array_equal(getattr(together, name)[number], getattr(alone, name)[0])
        np.testing.assert_array_equal(together.outside[:, number], alone.outside[:, 0])
        np.testing.assert_array_equal(together.squares[:, number], alone.squares[:, 0])
        assert together.counts[number, 0] == np.isnan(values).sum()


def test_without_columns_nothing_is_counted() -> None:
    assert not counted(measure_of(), np.empty((5, 0), dtype=np.float32)).counts.size


def test_values_that_do_not_lie_side_by_side_count_the_same() -> None:
    columns = [sample("normal"), sample("lognormal")]
    block = np.column_stack([*columns, *columns])
    for part in (block[::3, :2], np.asfortranarray(block[::3, 1:3]), block[::-1, ::2]):
        measure = measure_of(*part.T)
        assert counted(measure, part).content() == counted(measure, part.copy(order="C")).content()


def test_a_block_of_other_columns_is_refused_and_so_are_sums_that_the_kernel_cant_write_to() -> None:
    measure = measure_of(sample("normal"), sample("lognormal"))
    block = np.zeros((4, 2), dtype=np.float32)
    for wrong in ([block[:, :1]], [block, block]):
        with pytest.raises(ValueError, match="2 columns"):
            measure.count(wrong, Sketch.empty(2, 0))
    with pytest.raises(ValueError, match="2 columns"):
        measure.count([block], Sketch.empty(3, 0))
    sketch = Sketch.empty(2, 0)
    sketch.counts = np.zeros((2, 2 * NUMERIC_WIDTH), dtype=np.int64)[:, ::2]
    with pytest.raises(ValueError, match="contiguous"):
        measure.count([block], sketch)
