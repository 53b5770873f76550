"""The models that are served: a gradient boosting machine and a small neural network, with 20 features each."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from benchmarks.inference.data import CATEGORIES, WIDTH, names, rows
from benchmarks.inference.kinds import KINDS, Graph
from models.flight_delays.graph import Calibration, to_onnx
from shared.bundle import BundleContents, write_bundle
from shared.definition import parse_definition
from shared.features import Rows
from shared.reference import build_reference
from tests.bundles import small_lineage

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
latency_slo_ms = {slo_ms}
max_rows = 5000

[monitoring]
pane_seconds = 3600
"""
_FEATURE = '[[features]]\nname = "{name}"\nkind = "{kind}"\n'


@cache
def graph(kind: Graph) -> bytes:
    """The ONNX graph: `features` [n, 20] in; `label` and `probabilities` out."""
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


def definition_text(name: str, *, shadow: bool = False) -> str:
    """TOML of a model's definition, or of another version of it, which may be its shadow."""
    kind = KINDS[name]
    kinds = ((feature, "categorical" if is_string else "numeric") for feature, is_string in names(kind.strings))
    features = "".join(_FEATURE.format(name=feature, kind=told) for feature, told in kinds)
    return _DEFINITION.format(name=name, features=features, slo_ms=kind.slo_ms + shadow)


def make(state: Path, name: str, *, shadow: bool = False) -> str:
    """Write the bundle of a model, or of its shadow, signed, into the state folder; its digest."""
    text = definition_text(name, shadow=shadow)
    definition = parse_definition(text)
    strings = len(definition.categorical)
    times = np.datetime64("2026-01-01T00:30", "us") + np.arange(600) * np.timedelta64(1, "h")
    random = np.random.default_rng(2)
    codes = random.integers(0, len(CATEGORIES), (600, strings), dtype=np.int32)
    known = Rows(rows(600, width=WIDTH - strings), codes)
    scores = random.random((600, 1)).astype(np.float32)
    categories = dict.fromkeys(definition.categorical, CATEGORIES)
    contents = BundleContents(
        onnx=graph(KINDS[name].graph),
        definition=text,
        reference=build_reference(known, times, scores, definition, categories),
        lineage=small_lineage(),
        evaluation={},
    )
    return write_bundle(state / "bundles", contents, state / "keys", "operator")
