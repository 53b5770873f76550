import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.reference import Reference, build_reference
from shared.reference.calibrate import LEAST_LABELLED, Labelled, calibrate, spread
from shared.reference.calibration import Calibration
from shared.reference.losses import METRICS, losses
from tests.unit.shared.reference.data import CATEGORIES, definition, make_rows, make_scores, make_times

Float64 = NDArray[np.float64]
ROWS = 6_000


def labelled(kind: LabelKind = "binary", rows: int = ROWS, seed: int = 1) -> Labelled:
    """Calibrated probabilities and their labels; or predictions that are 2 too low, with errors of 3."""
    random = np.random.default_rng(seed)
    scores = random.random(rows).astype(np.float32)
    labels = (random.random(rows) < scores).astype(np.float64)
    if kind == "regression":
        labels = scores + 2 + random.normal(0, 3, rows)
    return Labelled(labels, scores, np.minimum(scores * 60, 59).astype(np.int64))


def calibration(kind: LabelKind = "binary", rows: int = ROWS) -> Calibration:
    found = calibrate(kind, labelled(kind, rows))
    assert found is not None
    return found


def reference(labels: Float64 | None) -> Reference:
    rows, scores = make_rows(ROWS, 1), make_scores(ROWS, 2)
    return build_reference(rows, make_times(ROWS), scores, definition(), CATEGORIES, labels=labels)


def test_losses_are_what_their_names_say() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.75, 0.0])
    expected = [[np.log(2), 0.25, 0], [np.log(4), 0.5625, 1], [-np.log(1e-7), 1, 1]]
    np.testing.assert_allclose(losses("binary", labels, scores, 1.0), expected)
    expected = [[4, 2, 0.5], [36, 6, 1], [0, 0, 0]]
    np.testing.assert_allclose(losses("regression", np.array([3.0, -6, 1]), np.array([1.0, 0, 1]), 4.0), expected)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_curve_holds_each_groups_line_and_what_varies_around_it(kind: LabelKind) -> None:
    rows, found = labelled(kind), calibration(kind)
    values = losses(kind, rows.labels, rows.scores.astype(np.float64), found.bound).T
    group = np.searchsorted(found.starts, rows.bins, side="right") - 1
    for name, curve, column in zip(METRICS[kind], found.losses, values, strict=True):
        assert curve.name == name
        assert curve.overall == pytest.approx(column.mean())
        for number in (0, 17, len(found.starts) - 1):
            x, y = rows.scores[group == number].astype(np.float64), column[group == number]
            slope, intercept = np.polyfit(x, y, 1)
            assert found.rows[number] == len(x)
            assert found.centre[number] == pytest.approx(x.mean())
            assert curve.mean[number] == pytest.approx(intercept + slope * x.mean())
            assert curve.slope[number] == pytest.approx(slope, rel=1e-6, abs=1e-6)
            residual = y - slope * x - intercept
            assert curve.variance[number] == pytest.approx(np.sum(residual**2) / (len(x) - 2))
            cubes = np.mean(residual**3) / max(np.mean(residual**2) ** 1.5, 1e-300)  # an error rate may be 0
            assert curve.skewness[number] == pytest.approx(cubes, rel=1e-6, abs=1e-6)


def test_bins_with_few_labels_join_their_neighbours() -> None:
    rows = labelled(rows=600)  # ten to a bin
    found = calibrate("binary", rows)
    assert found is not None
    assert min(found.rows) >= 50
    assert 8 <= len(found.rows) <= 12
    assert sum(found.rows) == found.labelled == 600


def test_rows_without_a_label_or_a_score_do_not_count_and_too_few_are_not_assessed() -> None:
    rows = labelled(rows=LEAST_LABELLED + 2)
    rows.labels[0], rows.scores[1] = np.nan, np.nan
    found = calibrate("binary", rows)
    assert found is not None
    assert found.labelled == LEAST_LABELLED
    rows.labels[2] = np.nan
    assert calibrate("binary", rows) is None


def test_a_score_that_is_the_same_for_all_has_one_flat_group() -> None:
    rows = labelled()
    same = Labelled(rows.labels, np.full(ROWS, 0.5, np.float32), np.zeros(ROWS, np.int64))
    found = calibrate("binary", same)
    assert found is not None
    assert (found.starts, found.label.slope) == ((0,), (0.0,))
    assert found.label.mean[0] == pytest.approx(rows.labels.mean())


def test_the_risks_upper_bound_lies_above_the_truth_as_often_as_it_says() -> None:
    above = 0
    for seed in range(200):
        found = calibrate("binary", labelled(rows=1_000, seed=seed))
        assert found is not None
        above += found.risk_upper(0.05) > 1 / 6  # the mean of s(1 - s)
    assert 180 <= above <= 198


def test_rows_that_share_their_luck_spread_more_and_independent_ones_do_not() -> None:
    random = np.random.default_rng(3)
    alone = random.normal(size=20_000)
    assert {value for _, value in spread(alone)} == {1.0}
    shared = alone + np.repeat(random.normal(size=200), 100)
    sizes, found = zip(*spread(shared), strict=True)
    assert sizes == (16, 64, 256)
    # half of a row's variance is its run's: inside one run of 100 a sum of n varies as 1/2 + n/2, over many as 1/2 + 50
    assert found[0] == pytest.approx(0.5 + 16 / 2, rel=0.15)
    assert found[2] == pytest.approx(0.5 + 100 / 2, rel=0.35)
    assert found == tuple(sorted(found))


def test_luck_that_rows_share_hardly_spreads_the_order_of_their_scores() -> None:
    random = np.random.default_rng(4)
    scores = random.random(20_000).astype(np.float32)
    chance = np.clip(scores + np.repeat(random.normal(0, 0.2, 200), 100), 0, 1)
    labels = (random.random(20_000) < chance).astype(np.float64)
    found = calibrate("binary", Labelled(labels, scores, np.minimum(scores * 60, 59).astype(np.int64)))
    assert found is not None
    level, order = found.label.reference_dispersion, max(value for _, value in found.area_spread)
    assert level > 5
    assert 1 <= order < level / 3


def test_dispersion_grows_with_the_logarithm_of_rows_between_blocks_and_no_farther() -> None:
    curve = calibration().label.model_copy(update={"spread": ((16, 1.0), (64, 3.0))})
    assert [curve.dispersion(rows) for rows in (1, 16, 32, 64, 10_000)] == pytest.approx([1, 1, 2, 3, 3])
    assert curve.reference_dispersion == 3


def test_a_reference_keeps_its_calibration_and_without_labels_has_none() -> None:
    labels = (np.random.default_rng(5).random(ROWS) < 0.3).astype(np.float64)
    built = reference(labels)
    assert built.calibration is not None
    assert built.calibration.labelled == ROWS
    again = Reference.from_json(built.to_json())
    assert again == built
    bare = reference(None)
    assert bare.calibration is None
    assert b"calibration" not in bare.to_json()  # as references were before there were calibrations
    assert Reference.from_json(bare.to_json()) == bare


def test_several_scores_have_no_calibration() -> None:
    rows, scores = make_rows(ROWS, 1), np.repeat(make_scores(ROWS, 2), 2, axis=1)
    labels = np.zeros(ROWS)
    built = build_reference(rows, make_times(ROWS), scores, definition(), CATEGORIES, labels=labels)
    assert built.calibration is None


def _at(place: int, value: float) -> Float64:
    labels = np.zeros(ROWS)
    labels[place] = value
    return labels


@pytest.mark.parametrize("labels", [np.zeros(3), _at(7, 0.5), _at(7, np.inf)])
def test_labels_that_can_not_be_are_refused_by_name(labels: Float64) -> None:
    with pytest.raises(InvalidInput) as refusal:
        reference(labels)
    assert refusal.value.field == "labels"


def test_a_binary_score_that_is_no_probability_is_refused() -> None:
    rows = labelled()
    rows.scores[5] = 1.5
    with pytest.raises(InvalidInput) as refusal:
        calibrate("binary", rows)
    assert refusal.value.field == "scores"


@pytest.mark.parametrize(
    "change",
    [
        {"starts": [0, 5]},
        {"starts": [1, *range(2, 61)]},
        {"rows": [0] * 60},
        {"losses": []},
        {"labelled": 1},
        {"bound": 0},
    ],
)
def test_a_calibration_that_is_not_whole_is_refused(change: dict[str, Any]) -> None:
    labels = (np.random.default_rng(5).random(ROWS) < 0.3).astype(np.float64)
    content = json.loads(reference(labels).to_json())
    content["calibration"] |= change
    with pytest.raises(InvalidInput) as refusal:
        Reference.from_json(json.dumps(content).encode())
    assert refusal.value.field.startswith("reference.calibration")


def test_a_reference_from_before_skewness_was_known_can_be_read_and_keeps_its_digest() -> None:
    told = json.loads(reference((np.random.default_rng(5).random(ROWS) < 0.3).astype(np.float64)).to_json())
    for curve in (told["calibration"]["label"], *told["calibration"]["losses"]):
        del curve["skewness"]
    before = Reference.from_json(json.dumps(told).encode())
    assert b"skewness" not in before.to_json()
    assert Reference.from_json(before.to_json()) == before
