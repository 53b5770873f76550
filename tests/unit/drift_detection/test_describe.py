import numpy as np
import pytest
from scipy import stats

from services.drift_detection.domain.describe import Describer
from shared.reference import SketchResult, build_reference
from tests.unit.drift_detection.pumps import SITES, definition, hours, reference


def result(first: int, count: int) -> SketchResult:
    _, rows, scores = hours(first, count)
    sketch = reference().empty_sketch()
    sketch.add(rows, scores, reference().measure)
    return sketch.result(reference().measure)


def test_a_window_is_shown_with_its_statistics_and_histogram() -> None:
    _, rows, scores = hours(0, 24)
    numeric, [site], [score] = Describer(reference())(result(0, 24))
    _, there, _ = hours(-480, 480)
    for column, shown in enumerate(numeric):
        here = rows.numeric[:, column]
        assert shown.rows == len(here)
        assert sum(shown.counts) == len(here)
        assert len(shown.counts) == len(shown.expected) == len(shown.edges) + 1
        assert sum(shown.expected) == pytest.approx(1)
        assert shown.mean == pytest.approx(here.mean(), rel=1e-4)
        raw = np.asarray(stats.ks_2samp(here, there.numeric[:, column]))[0]
        assert shown.ks is not None
        assert shown.ks == pytest.approx(raw - 1 / 120, abs=1 / 120 + 1e-9)
        assert shown.wasserstein == pytest.approx(stats.wasserstein_distance(here, there.numeric[:, column]), rel=0.02)
    assert (score.name, score.rows) == ("score", len(scores))
    assert (set(site.levels[:2]), site.levels[2]) == ({"north", "south"}, "rare or unseen")
    assert site.unseen_share == 0


def test_shares_of_missing_out_of_range_and_unseen_are_told() -> None:
    _, rows, scores = hours(0, 1)
    rows.numeric[:3, 0] = np.nan
    rows.numeric[3:5, 0] = 1e6
    rows.numeric[5, 0] = -np.inf
    rows.categorical[:6, 0] = [-2, -2, -1, -1, -1, 0]
    sketch = reference().empty_sketch()
    sketch.add(rows, scores, reference().measure)
    [temp, _], [site], _ = Describer(reference())(sketch.result(reference().measure))
    assert (temp.rows, temp.missing_share) == (27, 0.1)
    assert temp.out_of_range_share == pytest.approx(3 / 27)
    assert site.missing_share == pytest.approx(2 / 30)
    assert site.unseen_share == pytest.approx(3 / 28)


def test_what_has_no_value_is_none() -> None:
    _, rows, scores = hours(0, 1)
    rows.numeric[:, 0] = np.nan
    sketch = reference().empty_sketch()
    sketch.add(rows, scores, reference().measure)
    [temp, flow], _, _ = Describer(reference())(sketch.result(reference().measure))
    assert (temp.rows, temp.missing_share) == (0, 1)
    nothing = (temp.mean, temp.psi, temp.ks, temp.wasserstein, temp.js, temp.chi_square, temp.out_of_range_share)
    assert nothing == (None,) * 7
    assert flow.psi is not None


def test_a_feature_that_the_reference_never_had_has_no_statistics() -> None:
    times, rows, scores = hours(-480, 480)
    rows.numeric[:, 1] = np.nan
    bare = build_reference(rows, times, scores, definition(), {"site": SITES})
    _, here, scores = hours(0, 1)
    sketch = bare.empty_sketch()
    sketch.add(here, scores, bare.measure)
    [_, flow], _, _ = Describer(bare)(sketch.result(bare.measure))
    assert (flow.rows, flow.psi, flow.out_of_range_share, flow.expected) == (30, None, None, (0.0,))
