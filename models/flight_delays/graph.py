"""The ONNX graph of calibrated trees: `features` float32 [n, F] in; `label` and `probabilities` out."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.ensemble import HistGradientBoostingClassifier

from shared.features import Float32

OPSETS = (helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1))
IR_VERSION = 8


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: probability = 1 / (1 + exp(-(slope * log_odds + intercept)))."""

    slope: float
    intercept: float

    def apply(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities float64 [n] of n log odds."""
        return 1 / (1 + np.exp(-(self.slope * log_odds + self.intercept)))


def to_onnx(trees: HistGradientBoostingClassifier, calibration: Calibration, width: int) -> bytes:
    """The graph of `trees` over `width` features, then the calibration; equal inputs give equal bytes.

    `label` int64 [n] is the more probable class, `probabilities` float32 [n, 2] of the classes 0 and 1.
    """
    ensemble = _tree_node(trees, width)
    ensemble.output[:] = ["uncalibrated_label", "log_odds"]  # log odds of both classes: [-z, z]
    nodes = [
        ensemble,
        helper.make_node("Mul", ["log_odds", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "intercept"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    graph = helper.make_graph(nodes, "flight_delays", inputs, outputs, _constants(calibration))
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="driftline")
    return model.SerializeToString(deterministic=True)


def _constants(calibration: Calibration) -> list[TensorProto]:
    both = [-calibration.intercept, calibration.intercept]
    return [
        helper.make_tensor("slope", TensorProto.FLOAT, [1], [calibration.slope]),
        helper.make_tensor("intercept", TensorProto.FLOAT, [2], both),
    ]


def probabilities(onnx: bytes, features: Float32) -> Float32:
    """What the graph gives for `features` float32 [n, F]: float32 [n, 2]."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    return cast(Float32, session.run(["probabilities"], {"features": features})[0])


def _tree_node(trees: HistGradientBoostingClassifier, width: int) -> NodeProto:
    kind = HistGradientBoostingClassifier
    model: Any = convert_sklearn(
        trees,
        initial_types=[("features", FloatTensorType([None, width]))],
        options={id(trees): {"zipmap": False, "raw_scores": True}},
        target_opset=17,
        custom_conversion_functions={kind: _convert},
        custom_shape_calculators={kind: calculate_linear_classifier_output_shapes},
    )
    (node,) = model.graph.node
    return cast(NodeProto, node)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """skl2onnx's own converter with integers for the flags that it writes as booleans, which protobuf 7 refuses."""
    add_node = container.add_node

    def with_integers(*arguments: Any, nodes_missing_value_tracks_true: Any, **attributes: Any) -> None:
        flags = [int(flag) for flag in nodes_missing_value_tracks_true]
        add_node(*arguments, nodes_missing_value_tracks_true=flags, **attributes)

    container.add_node = with_integers
    try:
        get_converter("SklearnHistGradientBoostingClassifier")(scope, operator, container)
    finally:
        container.add_node = add_node
