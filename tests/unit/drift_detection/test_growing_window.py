"""A window that grows message by message says at every step what scipy says of all its rows so far."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from scipy import stats

from services.drift_detection.domain.describe import Described, Describer
from shared.features import Float32, Rows
from shared.reference import NumericProfile, Reference, SketchResult, build_reference
from shared.reference.panes import Int64
from tests.unit.shared.reference.data import CATEGORIES, definition, make_rows, make_scores, make_times

COUNT = 20_000
STEPS = (1, 2, 3, 10, 37, 256, 256, 700, 1000, 2000)


@cache
def reference() -> Reference:
    rows, scores = make_rows(COUNT, 1), make_scores(COUNT, 2)
    return build_reference(rows, make_times(COUNT), scores, definition(), CATEGORIES)


def growing() -> Iterator[tuple[Rows, SketchResult, Described]]:
    """The rows so far, the first feature half a standard deviation higher, and what their sketch says."""
    rows, scores = make_rows(sum(STEPS), 3), make_scores(sum(STEPS), 3)
    rows.numeric[:, 0] += 1
    sketch, describe, end = reference().empty_sketch(), Describer(reference()), 0
    for step in STEPS:
        part = slice(end, end + step)
        sketch.add(rows[part], scores[part], reference().measure)
        end += step
        result = sketch.result(reference().measure)
        yield rows[:end], result, describe(result)


def known(column: Float32) -> Float32:
    return column[~np.isnan(column)]


def bins(values: Float32, profile: NumericProfile) -> Int64:
    return np.searchsorted(np.array(profile.edges, dtype=np.float32), values, side="right")


NUMBERS = range(4)


@pytest.mark.parametrize("number", NUMBERS)
def test_counts_ks_and_chi_square_are_exact(number: int) -> None:
    profile = reference().numeric[number]
    base = bins(known(make_rows(COUNT, 1).numeric[:, number]), profile)
    expected = np.array(profile.counts) + 0.5
    for rows, _, (numeric, _, _) in growing():
        here = bins(known(rows.numeric[:, number]), profile)
        counts = np.bincount(here, minlength=len(profile.counts))
        assert numeric[number].counts == tuple(counts.tolist())
        if len(here):
            distance, *_ = stats.ks_2samp(here, base)
            assert numeric[number].ks == pytest.approx(distance, abs=1e-12)
            wanted = counts.sum() * expected / expected.sum()
            assert numeric[number].chi_square == pytest.approx(stats.chisquare(counts, wanted).statistic)


@pytest.mark.parametrize("number", NUMBERS)
def test_mean_and_variance_are_those_of_the_clipped_values_to_a_step_of_the_grid(number: int) -> None:
    low, high = reference().numeric[number].clip.bounds
    grid = (high - low) / 2**20
    for rows, result, _ in growing():
        clipped = np.clip(known(rows.numeric[:, number]).astype(np.float64), low, high)
        if len(clipped):
            assert result.mean[number] == pytest.approx(clipped.mean(), abs=grid)
            near = 2 * grid * clipped.std() + grid**2
            assert result.variance[number] == pytest.approx(clipped.var(), abs=near)


def test_the_distance_of_half_a_standard_deviation_is_right_within_a_third_of_a_percent() -> None:
    low, high = reference().numeric[0].clip.bounds
    base = known(make_rows(COUNT, 1).numeric[:, 0])
    for rows, _, (numeric, _, _) in growing():
        values = known(np.clip(rows.numeric[:, 0], low, high))
        if len(values) >= 1000:
            assert numeric[0].wasserstein == pytest.approx(stats.wasserstein_distance(values, base), rel=0.003)
