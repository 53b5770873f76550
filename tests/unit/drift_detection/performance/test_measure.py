import numpy as np
import pytest

from services.drift_detection.domain.performance.calibration_check import check_calibration
from services.drift_detection.domain.performance.lags import EDGES, LagCurve
from services.drift_detection.domain.performance.measure import Measured, Waiting, measure
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.definition import LabelKind
from shared.events import MeasuredMetric
from shared.features import Float32
from shared.reference.losses import METRICS, losses
from tests.unit.drift_detection.performance.cases import (
    HOUR,
    Float64,
    everything,
    outcomes,
    rare_rows,
    rare_scorer,
    rows,
    scorer,
)

NEVER = LagCurve()
AGE = 4 * HOUR


def window_of(kind: LabelKind, scores: Float32, labels: Float64, hours: float | Float64 = 3) -> WindowOutcomes:
    return window_for(scorer(kind), scores, labels, hours)


def window_for(known: Scorer, scores: Float32, labels: Float64, hours: float | Float64 = 3) -> WindowOutcomes:
    batch, window = outcomes(scores, labels, hours=hours), WindowOutcomes()
    known.add(window, batch, everything(batch))
    return window


def slow_failures(labels: Float64, random: np.random.Generator) -> Float64:
    """Hours until the label comes: those of class 1 take twice as long, and 5 % never come."""
    hours = random.exponential(3 * (1 + labels))
    return np.where(random.random(len(labels)) < 0.05, np.inf, hours)


def arrived(scores: Float32, labels: Float64, hours: Float64, age: float) -> WindowOutcomes:
    there = hours * HOUR <= age
    return window_of("binary", scores[there], labels[there], hours[there])


def learnt(seed: int, windows: int = 200, count: int = 100) -> LagCurve:
    """From windows that wait for no labels any more."""
    curve, random = LagCurve(), np.random.default_rng(seed)
    for number in range(windows):
        scores, labels = rows("binary", count, random)
        window = arrived(scores, labels, slow_failures(labels, random), 1000 * HOUR)
        curve.learn(number // 24, count, window.labels)
    return curve


def metric(found: Measured, name: str) -> MeasuredMetric:
    return next(metric for metric in found.metrics if metric.name == name)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_what_is_realised_is_the_mean_of_the_labels_that_are_there(kind: LabelKind) -> None:
    scores, labels = rows(kind, 700, np.random.default_rng(1))
    found = measure(scorer(kind), window_of(kind, scores, labels), Waiting(800, AGE, NEVER, settled=True))
    values = losses(kind, labels, scores[:, 0].astype(np.float64), scorer(kind).calibration.bound)
    assert found.labelled == 700
    for name, column in zip(METRICS[kind], values.T, strict=True):
        told = metric(found, name)
        assert told.realised == pytest.approx(column.mean(), rel=1e-4)
        assert told.standard_error == pytest.approx(column.std() / 700**0.5, rel=1e-3)
        assert told.corrected is None  # nothing is known of how long labels take
        assert told.covered == (told.expected.lower <= column.mean() <= told.expected.upper)


def test_where_few_rows_decide_nothing_is_said_of_the_estimate_nor_of_calibration() -> None:
    scores, labels = rare_rows("binary", 100, np.random.default_rng(3))
    window = window_for(rare_scorer("binary"), scores, labels)
    found = measure(rare_scorer("binary"), window, Waiting(100, AGE, NEVER, settled=True))
    assert (metric(found, "brier").covered, found.calibration) == (None, None)


def test_where_few_rows_decide_the_squared_error_the_others_are_told() -> None:
    scores, labels = rare_rows("regression", 3_000, np.random.default_rng(3))
    window = window_for(rare_scorer("regression"), scores, labels)
    found = measure(rare_scorer("regression"), window, Waiting(3_000, AGE, NEVER, settled=True))
    told = {metric.name: metric.covered for metric in found.metrics}
    assert told == {"squared_error": None, "absolute_error": True, "bounded_error": True}
    assert found.calibration is not None
    assert found.calibration.holds


def test_the_realised_area_is_that_of_the_ranks_of_the_labelled_rows() -> None:
    stats = pytest.importorskip("scipy.stats")
    scores, labels = rows("binary", 3_000, np.random.default_rng(2))
    found = measure(scorer("binary"), window_of("binary", scores, labels), Waiting(3_000, AGE, NEVER, settled=True))
    statistic = stats.mannwhitneyu(scores[labels == 1, 0], scores[labels == 0, 0]).statistic
    area = float(statistic) / float(labels.sum() * (1 - labels).sum())
    assert metric(found, "auc").realised == pytest.approx(area, abs=3e-3)


def test_early_labels_are_corrected_for_those_that_usually_come_late() -> None:
    curve, covered, plain, corrected = learnt(3), 0, [], []
    for seed in range(100):
        random = np.random.default_rng([4, seed])
        scores, labels = rows("binary", 400, random)
        hours = slow_failures(labels, random)
        now = measure(scorer("binary"), arrived(scores, labels, hours, AGE), Waiting(400, AGE, curve, settled=False))
        later = arrived(scores, labels, hours, 1000 * HOUR)
        final = measure(scorer("binary"), later, Waiting(400, 1000 * HOUR, curve, settled=True))
        told, truth = metric(now, "log_loss"), metric(final, "log_loss").realised
        assert told.corrected is not None
        assert told.lower is not None
        assert told.upper is not None
        assert told.covered is None  # labels that come early are of another kind
        covered += told.lower <= truth <= told.upper
        plain.append(told.realised - truth)
        corrected.append(told.corrected - truth)
    assert 0.9 <= covered / 100 <= 0.99
    assert np.mean(plain) < -0.03
    assert abs(np.mean(corrected)) < 0.01


def test_once_all_labels_are_there_the_corrected_is_the_realised() -> None:
    scores, labels = rows("binary", 300, np.random.default_rng(5))
    waiting = Waiting(300, 5_000 * HOUR, learnt(3), settled=True)
    told = metric(measure(scorer("binary"), window_of("binary", scores, labels), waiting), "brier")
    assert told.realised == told.corrected == told.lower == told.upper


def test_the_lag_curve_says_which_share_of_rows_has_its_label_by_then() -> None:
    curve, random = learnt(6), np.random.default_rng(7)
    labels = rows("binary", 50_000, random)[1]
    hours = slow_failures(labels, random)
    for age in (1, 4, 12, 100):
        assert curve.share(age * HOUR) == pytest.approx(float((hours <= age).mean()), abs=0.015)
    ahead = curve.ahead(AGE)
    assert ahead.rows + curve.share(AGE) == pytest.approx(curve.share(int(EDGES[-1])))


def test_the_lag_curve_is_the_same_in_any_order_and_forgets_all_but_30_days() -> None:
    scores, labels = rows("binary", 50, np.random.default_rng(8))
    windows = {day: window_of("binary", scores, labels, hours=1 + day).labels for day in range(40)}
    curves = []
    for days in (range(40), reversed(range(40))):
        curve = LagCurve()
        for day in days:
            curve.learn(day, 50, windows[day])
        curves.append(curve)
    assert curves[0] == curves[1]
    assert sorted(curves[0].days) == list(range(10, 40))
    assert curves[0].rows == 30 * 50


def test_too_few_rows_make_no_lag_curve() -> None:
    curve = learnt(1, windows=9)
    assert not curve.is_known
    assert Waiting(100, AGE, curve, settled=False).expected_share is None


def test_where_scores_mean_what_they_meant_few_windows_say_otherwise() -> None:
    wrong = 0
    for seed in range(300):
        kind: LabelKind = "binary" if seed % 2 else "regression"
        scores, labels = rows(kind, 500, np.random.default_rng([9, seed]), shift=0.5)
        found = check_calibration(scorer(kind), window_of(kind, scores, labels))
        assert found is not None
        wrong += not found.holds
    assert wrong <= 9


@pytest.mark.parametrize("change", ["level", "slope"])
def test_where_scores_mean_something_else_it_is_said(change: str) -> None:
    random, said = np.random.default_rng(10), 0
    for _ in range(20):
        scores, _ = rows("binary", 2_000, random)
        odds = (np.log(scores[:, 0] / (1 - scores[:, 0])) + 1) / 1.5
        chance = odds - 1 + 0.5 if change == "level" else 0.4 * odds - 1
        labels = (random.random(2_000) < 1 / (1 + np.exp(-chance))).astype(np.float64)
        found = check_calibration(scorer("binary"), window_of("binary", scores, labels))
        assert found is not None
        said += not found.holds
    assert said >= 19


def test_a_regression_that_errs_more_to_both_sides_is_said() -> None:
    random, said = np.random.default_rng(13), 0
    for _ in range(20):
        scores, labels = rows("regression", 2_000, random)
        wider = scores[:, 0] + 1.3 * (labels - scores[:, 0])
        found = check_calibration(scorer("regression"), window_of("regression", scores, wider))
        assert found is not None
        said += not found.holds
    assert said >= 19


def test_a_handful_of_labels_is_not_judged() -> None:
    scores, labels = rows("binary", 29, np.random.default_rng(11))
    assert check_calibration(scorer("binary"), window_of("binary", scores, labels)) is None


def test_a_window_without_labels_says_nothing_but_its_business_outcomes() -> None:
    scores, labels = rows("binary", 3, np.random.default_rng(12))
    batch, window = outcomes(scores, np.array([10.0, 20.0, 60.0]), business=True), WindowOutcomes()
    scorer("binary").add(window, batch, everything(batch))
    found = measure(scorer("binary"), window, Waiting(3, AGE, NEVER, settled=True))
    assert (found.labelled, found.metrics, found.calibration) == (0, (), None)
    assert found.business is not None
    assert found.business.mean == pytest.approx(30)
    assert found.business.standard_error == pytest.approx(np.std([10, 20, 60], ddof=1) / 3**0.5)
    only = measure(scorer("binary"), window_of("binary", scores, labels), Waiting(3, AGE, NEVER, settled=True))
    assert only.business is None
