import numpy as np
import pytest

from shared.definition import Feature, Label, ModelDefinition
from shared.features import Float32, Int32, Rows
from shared.monitoring import Monitoring
from shared.reference import Clumps
from shared.reference.clumps import find_clumps

HOUR = 3_600_000_000
PANES = 200


def definition() -> ModelDefinition:
    features = (Feature(name="x", kind="numeric", min=-2, max=3), Feature(name="c", kind="categorical"))
    return ModelDefinition(
        name="example",
        owner="tests",
        features=features,
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=Monitoring(pane_seconds=3600),
    )


def found(values: Float32, codes: Int32 | None = None, rows: int = 20) -> Clumps:
    """Of panes with so many rows each."""
    codes = np.zeros(len(values), np.int32) if codes is None else codes
    times = np.arange(len(values)) // rows * HOUR
    block = Rows(values.astype(np.float32)[:, None], codes.astype(np.int32)[:, None])
    return find_clumps(block, {"score": values.astype(np.float32)}, times, definition())


def values(number: int, seed: int = 1) -> Float32:
    return np.random.default_rng(seed).normal(size=number).astype(np.float32)


def test_independent_rows_have_a_design_effect_of_about_one() -> None:
    column = values(20 * PANES)
    column[np.random.default_rng(2).random(len(column)) < 0.1] = np.nan
    clump = found(column).numeric[0]
    assert clump.missing == pytest.approx(1, abs=0.2)
    assert clump.high == pytest.approx(1, abs=0.2)
    assert clump.flat == 0


def test_rows_that_share_their_value_have_its_number_as_design_effect() -> None:
    column = np.repeat(values(4 * PANES), 5)
    column[np.repeat(np.random.default_rng(2).random(4 * PANES) < 0.1, 5)] = np.nan
    clump = found(column).numeric[0]
    assert clump.missing == pytest.approx(5, rel=0.2)
    assert clump.low == pytest.approx(5, rel=0.2)


def test_a_column_missing_in_a_whole_pane_is_told() -> None:
    column = values(20 * PANES)
    column[40:60] = np.nan
    clump = found(column).numeric[0]
    assert clump.most_missing == 1
    assert clump.missing > 15


def test_flat_panes_are_counted_of_numbers_categories_and_scores() -> None:
    column, codes = values(20 * PANES), (np.arange(20 * PANES) % 3).astype(np.int32)
    column[20:60], codes[100:120] = 1.5, 2
    clumps = found(column, codes)
    assert (clumps.numeric[0].flat, clumps.categorical[0].flat, clumps.scores[0].flat) == (2, 1, 2)
    assert found(np.full(9 * PANES, 1.5, np.float32), rows=9).numeric[0].flat == 0


def test_panes_whose_rows_all_came_twice_or_again_are_counted() -> None:
    column = values(20 * PANES)
    column[0:20] = np.repeat(column[0:10], 2)
    column[20:40] = np.repeat(column[40:45], 4)[::-1]
    column[60:80] = column[40:60][::-1]
    clumps = found(column)
    assert (clumps.doubled, clumps.repeated) == (2, 1)


def test_values_beyond_the_limits_of_the_definition_are_counted() -> None:
    column = values(20 * PANES)
    clump = found(column).numeric[0]
    assert (clump.below_limit, clump.above_limit) == ((column < -2).sum(), (column > 3).sum())


def test_a_column_that_is_all_missing_has_clumps() -> None:
    clump = found(np.full(40, np.nan, np.float32)).numeric[0]
    assert (clump.missing, clump.most_missing, clump.flat) == (1, 1, 0)


def test_panes_are_as_large_as_a_row_sees_them() -> None:
    times = np.repeat([0, HOUR], [1, 9])
    column = values(10)
    block = Rows(column[:, None], np.zeros((10, 1), np.int32))
    assert find_clumps(block, {}, times, definition()).usual == pytest.approx(8.2)
