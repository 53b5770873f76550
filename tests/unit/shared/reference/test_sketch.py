from functools import cache

import numpy as np
import pytest

from shared.errors import Unreadable
from shared.reference import Reference, Sketch, build_reference
from tests.unit.shared.reference.data import CATEGORIES, definition, make_rows, make_scores, make_times


@cache
def reference() -> Reference:
    return build_reference(make_rows(20_000, 1), make_times(20_000), make_scores(20_000, 2), definition(), CATEGORIES)


def sketch_of(*parts: slice, seed: int = 3) -> Sketch:
    rows, scores = make_rows(3000, seed), make_scores(3000, seed)
    sketch = reference().empty_sketch()
    for part in parts:
        sketch.add(rows[part], scores[part], reference().measure)
    return sketch


def test_rows_in_any_order_and_any_portions_give_the_same_bytes() -> None:
    whole = sketch_of(slice(None))
    parts = sketch_of(slice(0, 0), slice(2000, None), slice(0, 7), slice(7, 2000))
    merged = sketch_of(slice(1500, None))
    merged.merge(sketch_of(slice(0, 1500)))
    backwards = sketch_of(slice(None, None, -1))
    assert whole.to_bytes() == parts.to_bytes() == merged.to_bytes() == backwards.to_bytes()


def test_a_sketch_comes_back_from_its_bytes() -> None:
    sketch = sketch_of(slice(0, 100))
    again = Sketch.from_bytes(sketch.to_bytes())
    assert again.to_bytes() == sketch.to_bytes()
    again.merge(sketch_of(slice(100, None)))
    assert again.to_bytes() == sketch_of(slice(None)).to_bytes()
    assert len(sketch.to_bytes()) < 2000


@pytest.mark.parametrize("damage", [b"", b"\x09" * 40, sketch_of(slice(0, 9)).to_bytes()[:-3]])
def test_bytes_that_are_no_sketch_are_refused(damage: bytes) -> None:
    with pytest.raises(Unreadable, match="sketch"):
        Sketch.from_bytes(damage)


def test_the_result_counts_what_is_there() -> None:
    rows, scores = make_rows(3000, 3), make_scores(3000, 3)
    result = sketch_of(slice(None)).result(reference().measure)
    for number, (profile, column) in enumerate(
        zip(reference().columns, np.column_stack([rows.numeric, scores]).T, strict=True)
    ):
        known = column[~np.isnan(column)]
        bins = np.searchsorted(np.array(profile.edges, dtype=np.float32), known, side="right")
        assert result.present[number] == len(known)
        assert result.missing[number] == len(column) - len(known)
        assert result.below[number] == (known < profile.minimum).sum()
        assert result.above[number] == (known > profile.maximum).sum()
        assert result.zeros[number] == (known == 0).sum()
        np.testing.assert_array_equal(result.counts[number], np.bincount(bins, minlength=60))


def test_means_and_variances_are_those_of_the_clipped_values() -> None:
    rows, scores = make_rows(3000, 3), make_scores(3000, 3)
    result = sketch_of(slice(None)).result(reference().measure)
    block = np.column_stack([rows.numeric, scores]).astype(np.float64)
    for number, profile in enumerate(reference().columns):
        low, high = profile.clip.bounds
        clipped = np.clip(block[:, number], low, high)
        grid_step = (high - low) / 2**20
        assert abs(result.mean[number] - np.nanmean(clipped)) < grid_step
        assert result.variance[number] == pytest.approx(np.nanvar(clipped), rel=1e-4, abs=grid_step**2)
        bins = np.searchsorted(
            np.array(profile.edges, dtype=np.float32), block[:, number].astype(np.float32), side="right"
        )
        for place in np.unique(bins[~np.isnan(clipped)]):
            assert abs(result.bin_means[number, place] - np.nanmean(clipped[bins == place])) < grid_step


def test_an_empty_window_has_no_means() -> None:
    result = reference().empty_sketch().result(reference().measure)
    assert result.rows == 0
    assert np.isnan(result.mean).all()
    assert np.isnan(result.variance).all()
    assert not result.levels.any()


def test_levels_missing_and_unseen_are_told_apart() -> None:
    rows, scores = make_rows(5, 4), make_scores(5, 4)
    rows.categorical[:, 0] = [-2, -1, -1, 0, 59]
    sketch = reference().empty_sketch()
    sketch.add(rows, scores, reference().measure)
    result = sketch.result(reference().measure)
    profile = reference().categorical[0]
    assert (result.level_missing[0], result.unseen[0]) == (1, 2)
    assert result.levels[0].sum() == 4
    assert result.levels[0, profile.kept.index(0)] == 1
    assert result.levels[0, len(profile.kept)] == 3 - (59 in profile.kept)


def test_sums_of_squares_beyond_64_bits_stay_exact() -> None:
    sketch = sketch_of(slice(None))
    once = sketch.total_squares()
    for _ in range(40):
        sketch.merge(Sketch.from_bytes(sketch.to_bytes()))
    assert sketch.total_squares() == [value << 40 for value in once]
    assert max(sketch.total_squares()) > 2**64
