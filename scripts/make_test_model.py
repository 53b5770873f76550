"""Makes the ONNX files in tests/data: small tree ensembles over three features, one of which is a category.

    python -m scripts.make_test_model

Tests read the files, so that they need no package to make them. `small_binary_a` and `small_binary_b` are two
classifiers that answer differently, `small_regression` is a regressor. The trees are drawn at random, not fitted.
"""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper

DATA = Path(__file__).parent.parent / "tests" / "data"
TREES = 8
DEPTH = 3
# Thresholds of each feature are drawn from this range: a temperature, a wind speed, the code of a category.
RANGES = ((10.0, 90.0), (2.0, 25.0), (0.0, 2.0))


def main() -> None:
    """Write the three files."""
    for name, seed in (("a", 1), ("b", 2)):
        _write(f"small_binary_{name}", _classifier(seed))
    _write("small_regression", _regressor(3))


def _nodes(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Full binary trees: attributes of their nodes, and tree, node and weight of their leaves."""
    random = np.random.default_rng(seed)
    inner, count = 2**DEPTH - 1, 2 ** (DEPTH + 1) - 1
    node = np.arange(count)
    is_leaf = node >= inner
    feature = random.integers(0, len(RANGES), (TREES, count))
    low, high = np.array(RANGES).T
    threshold = random.uniform(low[feature], high[feature]).astype(np.float32)
    nodes = {
        "nodes_treeids": np.repeat(np.arange(TREES), count),
        "nodes_nodeids": np.tile(node, TREES),
        "nodes_modes": ["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf] * TREES,
        "nodes_featureids": np.where(is_leaf, 0, feature).ravel(),
        "nodes_values": np.where(is_leaf, 0, threshold).ravel(),
        "nodes_truenodeids": np.tile(np.where(is_leaf, 0, 2 * node + 1), TREES),
        "nodes_falsenodeids": np.tile(np.where(is_leaf, 0, 2 * node + 2), TREES),
        "nodes_missing_value_tracks_true": random.integers(0, 2, TREES * count),
    }
    leaves = {
        "treeids": np.repeat(np.arange(TREES), count - inner),
        "nodeids": np.tile(node[is_leaf], TREES),
        "ids": np.zeros(TREES * (count - inner), dtype=int),
        "weights": random.normal(0, 0.4, TREES * (count - inner)).astype(np.float32),
    }
    return _plain(nodes), _plain(leaves)


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, list) else value.tolist() for name, value in attributes.items()}


def _classifier(seed: int) -> bytes:
    nodes, leaves = _nodes(seed)
    ensemble = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        post_transform="LOGISTIC",
        classlabels_int64s=[0, 1],
        **nodes,
        **{f"class_{name}": value for name, value in leaves.items()},
    )
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    return _model(ensemble, label, helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]))


def _regressor(seed: int) -> bytes:
    nodes, leaves = _nodes(seed)
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["prediction"],
        domain="ai.onnx.ml",
        n_targets=1,
        **nodes,
        **{f"target_{name}": value for name, value in leaves.items()},
    )
    return _model(ensemble, helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1]))


def _model(ensemble: Any, *outputs: Any) -> bytes:
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(RANGES)])
    graph = helper.make_graph([ensemble], "small", [features], list(outputs))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _write(name: str, content: bytes) -> None:
    (DATA / f"{name}.onnx").write_bytes(content)
    print(f"{name}.onnx: {len(content)} bytes")


if __name__ == "__main__":
    main()
