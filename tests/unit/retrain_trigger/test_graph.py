import onnx
import pytest
from onnx import TensorProto

from services.retrain_trigger.pipeline.graph import check_graph
from shared.errors import InvalidInput
from tests.unit.retrain_trigger.trainers import line

GOOD = line(3, 1.0, 0.0)


def changed(content: bytes = GOOD) -> onnx.ModelProto:
    return onnx.load_model_from_string(content)


def refused(model: onnx.ModelProto | bytes, width: int = 3) -> str:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(InvalidInput) as caught:
        check_graph(content, width, "binary")
    return str(caught.value)


def test_a_graph_that_keeps_the_contract_is_taken() -> None:
    check_graph(GOOD, 3, "binary")


def test_bytes_that_are_no_graph_are_refused() -> None:
    assert "no valid ONNX graph" in refused(b"\x00 not a graph")


def test_another_number_of_features_is_refused() -> None:
    assert "input.features: must be float32 [n, 2]" in refused(GOOD, 2)


def test_an_input_of_another_name_is_refused() -> None:
    model = changed()
    model.graph.input[0].name = model.graph.node[0].input[0] = model.graph.node[1].input[2] = "x"
    assert "`features` alone" in refused(model)


def test_operators_that_are_not_standard_are_refused() -> None:
    assert "com.example" in refused(line(3, 1.0, 0.0, domain="com.example"))


def test_weights_outside_the_file_are_refused() -> None:
    model = changed()
    weights = next(item for item in model.graph.initializer if item.name == "weights")
    del weights.float_data[:]
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    assert "initializer" in refused(model) or "no valid ONNX graph" in refused(model)


def test_a_graph_without_probabilities_is_refused() -> None:
    model = changed()
    del model.graph.output[1]
    assert "probabilities" in refused(model)
