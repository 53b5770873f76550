"""Training functions for tests, named in definitions and run by the worker process."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from shared.training import Fitted, Hyperparameters, TrainingData


def fit(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """A straight line through the first feature. `diary`: a file that gets a line per call; `wait_for`: a file."""
    print("a training function may print")
    if "diary" in hyperparameters:
        with Path(str(hyperparameters["diary"])).open("a") as diary:
            diary.write(f"{os.getpid()}\n")
    while "wait_for" in hyperparameters and not Path(str(hyperparameters["wait_for"])).exists():
        time.sleep(0.02)
    known = np.nan_to_num(data.features[:, 0])
    slope = float(np.cov(known, data.labels)[0, 1] / known.var()) * 4
    share = float(data.labels.mean())
    intercept = float(np.log(share / (1 - share)) - slope * known.mean())
    out_of_fold = 1 / (1 + np.exp(-(slope * known + intercept)))
    return Fitted(line(len(data.names), slope, intercept), out_of_fold[:, None].astype(np.float32), ("a line",))


def line(width: int, slope: float, intercept: float, *, domain: str = "") -> bytes:
    """ONNX: probability = sigmoid(slope * first feature + intercept), a missing feature counts as 0."""
    weights = np.zeros((width, 2), dtype=np.float32)
    weights[0] = [-slope / 2, slope / 2]
    initial = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("weights", TensorProto.FLOAT, [width, 2], weights.ravel().tolist()),
        helper.make_tensor("bias", TensorProto.FLOAT, [2], [-intercept / 2, intercept / 2]),
    ]
    nodes = [
        helper.make_node("IsNaN", ["features"], ["unknown"]),
        helper.make_node("Where", ["unknown", "zero", "features"], ["known"]),
        helper.make_node("Gemm", ["known", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0, domain=domain),
    ]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    graph = helper.make_graph(nodes, "line", inputs, outputs, initial)
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def crash(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """Raises what no one expected."""
    raise ZeroDivisionError("no such luck")


def die(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """Ends its process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return fit(data, hyperparameters, seed)


def hang(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """Never ends."""
    time.sleep(3_600)
    return fit(data, hyperparameters, seed)


def give_nothing(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """A graph that scores no row."""
    fitted = fit(data, hyperparameters, seed)
    return Fitted(line(len(data.names), float("nan"), 0.0), fitted.out_of_fold)


def too_few_scores(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """Scores out of fold for half of the rows."""
    fitted = fit(data, hyperparameters, seed)
    return Fitted(fitted.onnx, np.asarray(fitted.out_of_fold[::2], dtype=np.float32))
