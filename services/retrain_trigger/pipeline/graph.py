"""The ONNX graph that training gave: is it what a bundle may hold, and what does it say of rows."""

from typing import Literal

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from shared.errors import InvalidInput
from shared.features import Float32
from shared.scoring import scores

Kind = Literal["binary", "regression"]
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
LARGEST = 256 * 2**20
OUTPUTS: dict[Kind, frozenset[str]] = {
    "binary": frozenset({"label", "probabilities"}),
    "regression": frozenset({"prediction"}),
}


def check_graph(content: bytes, width: int, kind: Kind) -> None:
    """Whether the graph keeps a bundle's contract: `features` float32 [n, width] in, the kind's outputs out, standard
    operators only, all weights inside.

    Raises:
        InvalidInput: it does not; `field` names the part.
    """
    if len(content) > LARGEST:
        raise InvalidInput("model.onnx", f"at most {LARGEST} bytes, not {len(content)}")
    model = _parse(content)
    strange = {item.domain for item in model.opset_import} - DOMAINS
    if strange or model.functions:
        raise InvalidInput("opset_import", f"only standard operators, not those of {sorted(strange) or 'functions'}")
    if any(weights.data_location == onnx.TensorProto.EXTERNAL for weights in model.graph.initializer):
        raise InvalidInput("initializer", "weights must be inside the file")
    _check_input(model.graph, width)
    missing = OUTPUTS[kind] - {output.name for output in model.graph.output}
    if missing:
        raise InvalidInput("output", f"a {kind} model gives {', '.join(sorted(missing))}")


def _parse(content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise InvalidInput("model.onnx", f"is no valid ONNX graph: {error}") from error
    return model


def _check_input(graph: onnx.GraphProto, width: int) -> None:
    weights = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in weights]
    if [item.name for item in inputs] != ["features"]:
        raise InvalidInput("input", f"must be `features` alone, not {[item.name for item in inputs]}")
    tensor = inputs[0].type.tensor_type
    found = [dimension.dim_value for dimension in tensor.shape.dim]
    if tensor.elem_type != onnx.TensorProto.FLOAT or len(found) != 2 or found[1] != width:
        raise InvalidInput("input.features", f"must be float32 [n, {width}], any n")


def score_rows(content: bytes, features: Float32, kind: Kind) -> Float32:
    """Scores float32 [n, 1] of `features` float32 [n, F].

    Raises:
        InvalidInput: the graph gives another shape, or a score that is not finite.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the order of sums, so the bytes of what is made from them, stays the same
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {"features": features})
    given = scores({name: np.asarray(output) for name, output in zip(names, found, strict=True)}, kind)
    if given.shape != (len(features), 1) or not np.isfinite(given).all():
        raise InvalidInput("outputs", f"one finite score for each of {len(features)} rows")
    return given
