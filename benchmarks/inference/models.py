"""The models that are served: a gradient boosting machine and a small neural network, 20 numeric features each."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from models.flight_delays.graph import Calibration, to_onnx
from shared.bundle import BundleContents, write_bundle
from shared.definition import parse_definition
from shared.features import Rows
from shared.reference import build_reference
from tests.bundles import small_lineage

WIDTH = 20
_ROWS = 2_000
_DEFINITION = """
name = "{name}"
owner = "benchmarks"
{features}
[label]
name = "outcome"
kind = "binary"
expected_delay_hours = 6

[serving]
latency_slo_ms = 2000
max_rows = 5000

[monitoring]
pane_seconds = 3600
"""
_FEATURE = '[[features]]\nname = "f{number}"\nkind = "numeric"\n'


def rows(count: int, seed: int = 1) -> NDArray[np.float32]:
    """Feature values float32 [count, 20], with four digits as a client's JSON has them."""
    return np.random.default_rng(seed).normal(50, 15, (count, WIDTH)).round(4).astype(np.float32)


def graph(kind: str) -> bytes:
    """The ONNX graph of `gbm` or `mlp`: `features` [n, 20] in; `label` and `probabilities` out."""
    return _trees() if kind == "gbm" else _network()


def _trees() -> bytes:
    block = rows(_ROWS, seed=0)
    noise = np.random.default_rng(0).normal(0, 10, _ROWS)
    trees = HistGradientBoostingClassifier(max_iter=100, max_depth=3, random_state=0)
    with threadpool_limits(1):  # on busy cores OpenMP's threads wait for each other: a minute instead of a second
        trees.fit(block, block[:, 0] + block[:, 1] + noise > 100)
    return to_onnx(trees, Calibration(1, 0), WIDTH)


def _network() -> bytes:
    """64 and 32 hidden units; the weights are drawn at random: what it says does not matter here."""
    random = np.random.default_rng(0)
    nodes, weights, last = [], [], "features"
    for number, (width, units) in enumerate(pairwise((WIDTH, 64, 32, 2))):
        names = [f"weight{number}", f"bias{number}"]
        values = random.normal(0, width**-0.5, (width, units)), np.zeros(units)
        weights += [from_array(value.astype(np.float32), name) for name, value in zip(names, values, strict=True)]
        nodes.append(helper.make_node("Gemm", [last, *names], [f"sum{number}"]))
        last = f"sum{number}"
        if number < 2:
            nodes.append(helper.make_node("Relu", [last], [last := f"hidden{number}"]))
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, WIDTH])
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    made = helper.make_graph(nodes, "network", [features], outputs, weights)
    content: bytes = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()
    return content


def make(state: Path, kind: str) -> str:
    """Write the bundle of a model, signed, into the state folder; its digest."""
    text = _DEFINITION.format(name=kind, features="".join(_FEATURE.format(number=number) for number in range(WIDTH)))
    definition = parse_definition(text)
    block = rows(600)
    times = np.datetime64("2026-01-01T00:30", "us") + np.arange(600) * np.timedelta64(1, "h")
    known = Rows(block, np.empty((600, 0), np.int32))
    scores = np.random.default_rng(2).random((600, 1)).astype(np.float32)
    contents = BundleContents(
        onnx=graph(kind),
        definition=text,
        reference=build_reference(known, times, scores, definition, {}),
        lineage=small_lineage(),
        evaluation={},
    )
    return write_bundle(state / "bundles", contents, state / "keys", "operator")
