import numpy as np
import onnx
import onnxruntime
import pytest

from models.flight_delays.train import fit
from shared.errors import InvalidInput
from shared.features import Float32
from shared.training import Fitted, Hyperparameters, TrainingData

QUICK: Hyperparameters = {"max_iter": 20, "folds": 3}
NAMES = ("temp", "humid", "carrier")


def flights(count: int = 3_000, *, absent: bool = False, seed: int = 1) -> TrainingData:
    """Ten days; late when it is cold, or with carrier 2; a tenth of the humidity is missing."""
    random = np.random.default_rng(seed)
    temp, humid = random.normal(50, 15, count), random.uniform(20, 100, count)
    carrier = random.integers(0, 4, count).astype(np.float64)
    late = random.random(count) < np.where(temp < 40, 0.6, 0.15) + 0.2 * (carrier == 2)
    humid[::10] = np.nan
    if absent:
        humid[:] = np.nan
    carrier[::50] = np.nan
    start = np.datetime64("2013-01-01T12:00", "us")
    return TrainingData(
        features=np.stack([temp, humid, carrier], axis=1).astype(np.float32),
        labels=late.astype(np.float64),
        event_time=start + np.arange(count) * np.timedelta64(10 * 86_400 * 10**6 // count, "us"),
        names=NAMES,
        categories={"carrier": ("AA", "B6", "DL", "UA")},
    )


def outputs(fitted: Fitted, features: Float32) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(fitted.onnx)
    names = ["label", "probabilities"]
    return {
        name: np.asarray(found) for name, found in zip(names, session.run(names, {"features": features}), strict=True)
    }


def test_the_same_data_hyperparameters_and_seed_give_the_same_bytes() -> None:
    first, again = fit(flights(), QUICK, 7), fit(flights(), QUICK, 7)
    assert first.onnx == again.onnx
    assert np.array_equal(first.out_of_fold, again.out_of_fold)


def test_other_data_gives_another_graph() -> None:
    assert fit(flights(), QUICK, 7).onnx != fit(flights(seed=2), QUICK, 7).onnx


def test_the_graph_takes_one_tensor_and_gives_label_and_two_probabilities() -> None:
    data = flights()
    fitted = fit(data, QUICK, 0)
    graph = onnx.load_from_string(fitted.onnx).graph
    assert [item.name for item in graph.input] == ["features"]
    assert [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == [0, len(NAMES)]
    found = outputs(fitted, data.features)
    assert found["probabilities"].shape == (len(data), 2)
    assert found["probabilities"].dtype == np.float32
    assert found["probabilities"].sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(found["label"], (found["probabilities"][:, 1] > 0.5).astype(np.int64))


def test_the_scores_tell_late_flights_from_others_and_are_calibrated() -> None:
    data, later = flights(6_000), flights(6_000, seed=2)
    late = outputs(fit(data, QUICK, 0), later.features)["probabilities"][:, 1]
    cold = later.features[:, 0] < 40
    assert late[cold].mean() > 2 * late[~cold].mean()
    assert late.mean() == pytest.approx(later.labels.mean(), abs=0.02)
    sure = late > 0.5
    assert late[sure].mean() == pytest.approx(later.labels[sure].mean(), abs=0.05)


def log_loss(scores: Float32, labels: np.ndarray) -> float:
    return float(-np.log(np.where(labels == 1, scores, 1 - scores)).mean())


def test_scores_out_of_fold_are_as_good_as_those_of_new_rows_not_as_those_of_rows_fitted_on() -> None:
    data, later = flights(), flights(seed=2)
    fitted = fit(data, {"max_iter": 60, "folds": 5, "max_leaf_nodes": 31}, 0)
    own = log_loss(outputs(fitted, data.features)["probabilities"][:, 1], data.labels)
    new = log_loss(outputs(fitted, later.features)["probabilities"][:, 1], later.labels)
    out_of_fold = log_loss(fitted.out_of_fold[:, 0], data.labels)
    assert own < new - 0.03
    assert out_of_fold == pytest.approx(new, abs=0.015)


def test_trees_that_know_nothing_out_of_fold_say_how_often_it_happens() -> None:
    data = flights()
    noise = np.random.default_rng(4).integers(0, 2, len(data)).astype(float)  # its slope is negative
    fitted = fit(TrainingData(data.features, noise, data.event_time, NAMES, {}), QUICK, 0)
    assert outputs(fitted, data.features)["probabilities"][:, 1] == pytest.approx(noise.mean(), abs=1e-6)


def test_every_row_has_a_score_out_of_fold() -> None:
    fitted = fit(flights(), QUICK, 0)
    assert fitted.out_of_fold.shape == (3_000, 1)
    assert fitted.out_of_fold.dtype == np.float32
    assert np.isfinite(fitted.out_of_fold).all()


def test_a_feature_missing_in_all_rows_is_left_out_and_said_and_the_graph_takes_it_all_the_same() -> None:
    data = flights(absent=True)
    fitted = fit(data, QUICK, 0)
    assert fitted.notes == ("humid: missing in all 3000 training rows, so left out of the model",)
    before = outputs(fitted, data.features)["probabilities"]
    there = data.features.copy()
    there[:, 1] = 50
    assert np.array_equal(outputs(fitted, there)["probabilities"], before)


def test_a_feature_missing_in_all_rows_but_those_of_one_fold_does_no_harm() -> None:
    data = flights()
    features = data.features.copy()
    features[300:, 1] = np.nan
    fitted = fit(TrainingData(features, data.labels, data.event_time, NAMES, {}), QUICK, 0)
    assert np.isfinite(fitted.out_of_fold).all()
    assert fitted.notes == ()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"max_depth": 3}, "max_depth"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": "20"}, "max_iter"),
        ({"max_iter": True}, "max_iter"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"folds": 1}, "folds"),
    ],
)
def test_a_wrong_hyperparameter_is_named(wrong: Hyperparameters, field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"training\.hyperparameters\.{field}"):
        fit(flights(), wrong, 0)


def test_labels_of_one_kind_are_refused() -> None:
    data = flights()
    with pytest.raises(InvalidInput, match="both kinds"):
        fit(TrainingData(data.features, np.zeros(len(data)), data.event_time, NAMES, {}), QUICK, 0)


def test_labels_that_are_not_binary_are_refused() -> None:
    data = flights()
    with pytest.raises(InvalidInput, match="0 or 1"):
        fit(TrainingData(data.features, data.labels * 2, data.event_time, NAMES, {}), QUICK, 0)


def test_rows_of_one_day_are_refused() -> None:
    data = flights()
    one = np.full(len(data), data.event_time[0])
    with pytest.raises(InvalidInput, match="two days"):
        fit(TrainingData(data.features, data.labels, one, NAMES, {}), QUICK, 0)
