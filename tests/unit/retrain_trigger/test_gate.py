import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from services.retrain_trigger.domain.gate import judge, measure
from shared.definition import Gate
from shared.errors import InvalidInput


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learns_ties_included(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(1, 20, 400) / 20
    labels = (random.random(400) < scores).astype(np.float64)
    found = measure(labels, scores, "binary")
    assert found["log_loss"] == pytest.approx(log_loss(labels, scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores))
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores))


def test_a_sure_and_wrong_score_costs_much_but_not_infinitely() -> None:
    found = measure(np.array([1.0, 0.0]), np.array([0.0, 1.0]), "binary")
    assert found["log_loss"] == pytest.approx(-np.log(1e-7))


def test_a_holdout_with_one_class_has_no_auc() -> None:
    assert set(measure(np.zeros(3), np.full(3, 0.5), "binary")) == {"log_loss", "brier"}


def test_a_regression_is_measured_by_its_errors() -> None:
    found = measure(np.array([1.0, 2.0]), np.array([1.0, 4.0]), "regression")
    assert found == {"squared_error": 2.0, "absolute_error": 1.0}


@pytest.mark.parametrize(
    ("champion", "challenger", "margin", "passed"),
    [
        (0.5, 0.4, 0.05, True),
        (0.5, 0.25, 0.25, True),
        (0.5, 0.48, 0.05, False),
        (0.5, 0.6, 0.0, False),
        (0.5, 0.5, 0.0, True),
    ],
)
def test_the_challenger_passes_when_it_is_better_by_the_margin(
    champion: float, challenger: float, margin: float, passed: bool
) -> None:
    verdict = judge(Gate(metric="log_loss", margin=margin), {"log_loss": champion}, {"log_loss": challenger})
    assert verdict.passed is passed
    assert f"{challenger:.4f} against the champion's {champion:.4f}" in verdict.reason


def test_a_metric_of_another_kind_of_model_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"gate\.metric"):
        judge(Gate(metric="log_loss"), {"squared_error": 1.0}, {"squared_error": 1.0})
