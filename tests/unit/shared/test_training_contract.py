import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.events import SnapshotPin
from shared.lineage import Lineage
from shared.scoring import scores
from shared.training import TrainingData, training_function

TIMES = np.array(["2013-01-01T00:00", "2013-01-01T01:00"], dtype="datetime64[us]")


def lineage() -> Lineage:
    pin = SnapshotPin.model_validate(
        {
            "start": "2013-01-01T00:00:00Z",
            "end": "2013-03-01T00:00:00Z",
            "as_of": "2013-03-02T00:00:00Z",
            "rows": 5,
            "row_hash": "a" * 64,
        }
    )
    return Lineage(
        code_commit="unknown",
        snapshot=pin,
        training_function="models.flight_delays.train:fit",
        hyperparameters={"learning_rate": 0.1, "max_iter": 10},
        seed=0,
        environment="b" * 64,
    )


def test_a_lineage_read_back_equals_what_was_written() -> None:
    assert Lineage.from_json(lineage().to_json()) == lineage()


def test_an_unknown_field_of_a_lineage_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"lineage\.host"):
        Lineage.from_json(lineage().to_json().replace(b'"seed"', b'"host": "a", "seed"', 1))


def test_a_binary_score_is_the_probability_of_the_second_class() -> None:
    outputs = {"label": np.array([0, 1]), "probabilities": np.array([[0.75, 0.25], [0.5, 0.5]])}
    found = scores(outputs, "binary")
    assert found.dtype == np.float32
    assert found.tolist() == [[0.25], [0.5]]


def test_a_regression_score_is_the_first_floating_output() -> None:
    outputs = {"rank": np.array([1, 2]), "prediction": np.array([0.25, 0.5], dtype=np.float32)}
    assert scores(outputs, "regression").tolist() == [[0.25], [0.5]]


@pytest.mark.parametrize("outputs", [{}, {"probabilities": np.zeros(3)}, {"probabilities": np.zeros((2, 3))}])
def test_probabilities_of_another_shape_are_refused(outputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(InvalidInput, match="probabilities"):
        scores(outputs, "binary")


@pytest.mark.parametrize("outputs", [{}, {"prediction": np.zeros((2, 2))}, {"prediction": np.array([1])}])
def test_a_regression_without_one_number_per_row_is_refused(outputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(InvalidInput, match="prediction"):
        scores(outputs, "regression")


def test_training_rows_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInput, match="event_time"):
        TrainingData(np.zeros((2, 1), dtype=np.float32), np.zeros(2), TIMES[::-1], ("a",), {})


def test_training_rows_of_another_width_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 features"):
        TrainingData(np.zeros((2, 1), dtype=np.float32), np.zeros(2), TIMES, ("a", "b"), {})


@pytest.mark.parametrize(
    "path", ["no_such_module:fit", "shared.training:no_such_function", "shared.training:TIMES", ":"]
)
def test_a_training_function_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(InvalidInput, match=r"training\.function"):
        training_function(path)
