import numpy as np
import pytest

from services.drift_detection.domain.performance.estimate import ScoreBins, estimate
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from shared.definition import LabelKind
from shared.events import EstimatedMetric
from shared.features import Float32
from shared.reference import Reference, Sketch
from shared.reference.losses import METRICS, losses
from shared.reference.ranks import area_under_curve, pull
from tests.unit.drift_detection.performance.cases import (
    ROWS,
    Float64,
    bare,
    everything,
    outcomes,
    rare_rows,
    rare_scorer,
    reference_of,
    rows,
    scorer,
)


def sketch(reference: Reference, *parts: Float32) -> Sketch:
    whole = reference.empty_sketch()
    for scores in parts:
        whole.add(bare(len(scores)), scores, reference.measure)
    return whole


def estimated(kind: LabelKind, scores: Float32, seed: int = 1) -> dict[str, EstimatedMetric]:
    reference = scorer(kind, seed).reference
    return {metric.name: metric for metric in estimate(reference, ScoreBins.of(sketch(reference, scores)))}


def realised(kind: LabelKind, scores: Float32, labels: Float64, seed: int = 1) -> dict[str, float]:
    bound = scorer(kind, seed).calibration.bound
    means = losses(kind, labels, scores[:, 0].astype(np.float64), bound).mean(axis=0)
    return dict(zip(METRICS[kind], means.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize("shift", [0, 0.7])
@pytest.mark.parametrize("count", [100, 2_000])
def test_the_interval_covers_what_the_labels_show_in_95_of_100_windows(
    kind: LabelKind, shift: float, count: int
) -> None:
    windows, references, covered = 200, 10, dict.fromkeys(METRICS[kind], 0)
    for number in range(windows):
        seed = number % references
        scores, labels = rows(kind, count, np.random.default_rng([number, count]), shift)
        found = estimated(kind, scores, seed)
        for name, value in realised(kind, scores, labels, seed).items():
            covered[name] += found[name].lower <= value <= found[name].upper
    assert all(0.91 <= hits / windows <= 0.985 for hits in covered.values()), covered


def test_where_few_rows_decide_it_is_said_that_the_interval_is_not_known_to_cover() -> None:
    cases: list[tuple[LabelKind, int, set[str]]] = [
        ("binary", 100, {"log_loss", "brier", "error_rate"}),
        ("binary", 5_000, set()),
        ("regression", 5_000, {"squared_error"}),
    ]
    for kind, count, skewed in cases:
        reference = rare_scorer(kind).reference
        scores, _ = rare_rows(kind, count, np.random.default_rng(2))
        found = estimate(reference, ScoreBins.of(sketch(reference, scores)))
        assert {metric.name for metric in found if metric.skewed} - {"auc"} == skewed


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_of_many_rows_alike_none_decides(kind: LabelKind) -> None:
    scores, _ = rows(kind, 100, np.random.default_rng(2))
    assert not any(metric.skewed for metric in estimated(kind, scores).values())


def test_where_labels_mean_something_else_the_interval_covers_little() -> None:
    covered = 0
    for seed in range(100):
        scores, labels = rows("binary", 2_000, np.random.default_rng(seed))
        found = estimated("binary", scores)["log_loss"]
        covered += found.lower <= realised("binary", scores, 1 - labels)["log_loss"] <= found.upper
    assert covered == 0


def test_the_reference_itself_is_estimated_as_it_is() -> None:
    scores, labels = rows("binary", ROWS, np.random.default_rng(1))
    found = estimated("binary", scores)
    for name, value in realised("binary", scores, labels).items():
        assert found[name].value == pytest.approx(value, abs=2e-5)
        assert found[name].reference == pytest.approx(value, abs=1e-9)


def test_the_area_under_the_curve_is_that_of_scipys_ranks() -> None:
    stats = pytest.importorskip("scipy.stats")
    scores, labels = rows("binary", ROWS, np.random.default_rng(1))
    statistic = stats.mannwhitneyu(scores[labels == 1, 0], scores[labels == 0, 0]).statistic
    area = float(statistic) / float(labels.sum() * (1 - labels).sum())
    found = estimated("binary", scores)["auc"]
    assert found.value == pytest.approx(area, abs=2e-3)
    assert found.lower < area < found.upper


def test_rows_in_any_order_and_in_any_parts_give_the_same_estimate() -> None:
    reference = reference_of("binary")
    scores, _ = rows("binary", 3_000, np.random.default_rng(4))
    whole = estimate(reference, ScoreBins.of(sketch(reference, scores)))
    shuffled = np.random.default_rng(5).permutation(scores)
    assert estimate(reference, ScoreBins.of(sketch(reference, shuffled[:7], shuffled[7:]))) == whole


def test_more_rows_make_a_narrower_interval_but_no_narrower_than_what_the_reference_knows() -> None:
    scores, _ = rows("binary", 400_000, np.random.default_rng(6))
    found = [estimated("binary", scores[:count])["log_loss"] for count in (100, 10_000, 400_000)]
    few, many, all_there_are = (metric.upper - metric.lower for metric in found)
    assert few > 6 * many
    assert many > all_there_are > 0.5 * many


def test_rows_that_share_their_luck_have_a_wider_interval() -> None:
    reference = reference_of("binary")
    assert reference.calibration is not None
    curves = [curve.model_copy(update={"spread": ((16, 9.0),)}) for curve in reference.calibration.losses]
    shared = reference.calibration.model_copy(update={"losses": tuple(curves)})
    scores, _ = rows("binary", 500, np.random.default_rng(4))
    bins = ScoreBins.of(sketch(reference, scores))
    alone = estimate(reference, bins)[0]
    wide = estimate(reference.model_copy(update={"calibration": shared}), bins)[0]
    assert wide.upper - wide.lower == pytest.approx(3 * (alone.upper - alone.lower))


def test_scores_beyond_the_reference_are_followed_only_a_little() -> None:
    found = estimated("regression", np.full((50, 1), 1e6, np.float32))
    assert 0 <= found["absolute_error"].value < 20


def test_without_rows_or_without_a_calibration_nothing_is_estimated() -> None:
    reference = reference_of("binary")
    scores, _ = rows("binary", 10, np.random.default_rng(4))
    none = np.full((10, 1), np.nan, np.float32)
    assert estimate(reference, ScoreBins.of(sketch(reference, none))) == ()
    bare_reference = reference.model_copy(update={"calibration": None})
    assert estimate(bare_reference, ScoreBins.of(sketch(reference, scores))) == ()


def test_one_class_has_no_area() -> None:
    assert area_under_curve(np.array([1.0, 2.0]), np.zeros(2)) is None
    assert area_under_curve(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == 1
    assert area_under_curve(np.array([1.0]), np.array([3.0])) == 0.5
    assert pull(np.array([1.0, 2.0]), np.zeros(2)).tolist() == [0, 0]


def test_the_pull_of_a_label_is_what_the_area_changes_by() -> None:
    positive, negative, little = np.array([3.0, 5, 9]), np.array([20.0, 6, 2]), 1e-6
    before, told = area_under_curve(positive, negative), pull(positive, negative)
    assert before is not None
    for group in range(3):
        moved = little * (np.arange(3) == group)
        after = area_under_curve(positive + moved, negative - moved)
        assert after is not None
        assert (after - before) / little == pytest.approx(float(told[group]), rel=1e-4)


def test_the_labelled_rows_of_a_window_have_the_same_bins_as_its_sketch() -> None:
    scores, labels = rows("regression", 500, np.random.default_rng(4))
    window, batch = WindowOutcomes(), outcomes(scores, labels)
    scorer("regression").add(window, batch, everything(batch))
    bins = ScoreBins.of(sketch(reference_of("regression"), scores))
    np.testing.assert_array_equal(window.bins.counts, bins.counts)
    np.testing.assert_array_equal(window.bins.sums, bins.sums)
