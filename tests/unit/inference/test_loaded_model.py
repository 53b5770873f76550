"""Only a graph that fits its definition is loaded."""

from pathlib import Path

import numpy as np
import pytest

from services.inference.models.loaded import LoadedModel, ModelFailed, load
from shared.bundle import open_bundle
from shared.errors import InvalidInput
from tests.bundles import Graph, definition_text, make_bundle


def loaded(state: Path, text: str, graph: Graph) -> LoadedModel:
    return load(open_bundle(state / "bundles", make_bundle(state, text, graph), state / "trust"))


def test_a_regression_model_scores_its_prediction(state: Path) -> None:
    model = loaded(state, definition_text(graph="small_regression"), "small_regression")
    outputs = model.run(np.array([[50, 10, 1], [20, 5, 0]], dtype=np.float32))
    assert [spec.name for spec in model.outputs] == ["prediction"]
    assert model.scores(outputs).tolist() == outputs["prediction"].tolist()


def test_a_graph_for_another_number_of_features_is_refused(state: Path) -> None:
    wide = definition_text() + '\n[[features]]\nname = "visib"\nkind = "numeric"\n'
    with pytest.raises(InvalidInput, match=r"float32 \[n, 4\]"):
        loaded(state, wide, "small_binary_a")


def test_a_graph_without_the_outputs_of_its_kind_is_refused(state: Path) -> None:
    with pytest.raises(ModelFailed, match="probabilities"):
        loaded(state, definition_text(), "small_regression")


def test_a_graph_that_fails_says_so(small: LoadedModel) -> None:
    with pytest.raises(ModelFailed, match="model small"):
        small.run(np.zeros((2, 7), dtype=np.float32))
