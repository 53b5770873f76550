"""A graph in ONNX Runtime: opened, and checked against what every bundle's graph takes and gives."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    OrtAllocatorType,
    OrtArenaCfg,
    OrtMemoryInfo,
    OrtMemType,
    create_and_register_allocator,
)

from services.inference.domain.onnx_file import FEATURES, FILE, Divisors
from services.inference.domain.protobuf import field
from shared.errors import InvalidInput

DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
    **{f"tensor({sign}int{bits})": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}

_FLOATS = frozenset(("tensor(float)", "tensor(double)", "tensor(float16)"))
_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # of ModelProto, GraphProto, ValueInfoProto

Float32 = NDArray[np.float32]


class Node(Protocol):
    """An input or output as ONNX Runtime describes it; unknown lengths are None or a name."""

    name: str
    type: str
    shape: list[int | str | None]


def bound_arena(most: int) -> None:
    """From here on what all sessions compute takes at most this many bytes together: a run that needs more fails.

    No first run can show what every later one needs, for values or their number may make a tensor huge. Once per
    process, before the first session.
    """
    arena, default = OrtAllocatorType.ORT_ARENA_ALLOCATOR, OrtMemType.DEFAULT
    create_and_register_allocator(OrtMemoryInfo("Cpu", arena, 0, default), OrtArenaCfg({"max_mem": most}))


def open_session(model: bytes) -> ort.InferenceSession:
    """A session on one thread that never spins: requests come one at a time, and the core is shared.

    What it computes lies in the arena of all sessions, see `bound_arena`, its weights do not: they go when it goes.
    `model` comes from `check_file`, or a trial has opened it before. Raises ONNX Runtime's own exceptions for a graph
    that it can't use.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_signature(inputs: Sequence[Node], outputs: Sequence[Node], width: int) -> None:
    """Raises InvalidInput unless a graph takes `features` float32 [n, width] and gives tensors."""
    wanted = f"one input {FEATURES!r} of float32 [n, {width}]"
    if len(inputs) != 1 or inputs[0].name != FEATURES or inputs[0].type != "tensor(float)":
        raise InvalidInput(FILE, wanted)
    shape = inputs[0].shape
    if len(shape) != 2 or isinstance(shape[0], int) or shape[1] not in (width, None):
        raise InvalidInput(FILE, f"{wanted}, not {shape}")
    for node in outputs:
        if node.type not in DATATYPES:
            raise InvalidInput(FILE, f"output {node.name} as a tensor, not {node.type}; convert without zipmap")


def check_divisors(model: bytes, divisors: Divisors, width: int) -> None:
    """Raises InvalidInput if one of these values that a graph divides by is an integer and not always the same.

    The least integer divided by -1 ends the process, and a row of a client may come to that.
    """
    if not divisors.names:
        return
    shown = {node.name for node in open_session(model).get_outputs()}
    hidden = b"".join(field(_OUTPUT, field(_NAME, name.encode())) for name in sorted(divisors.names - shown))
    session = open_session(model + field(_GRAPH, hidden))  # protobuf appends these to the graph's own outputs
    for node in session.get_outputs():
        if node.name not in divisors.names or node.type in _FLOATS:
            continue
        rows = np.zeros((1, width), dtype=np.float32)
        if node.name not in divisors.fixed or (np.asarray(session.run([node.name], {FEATURES: rows})[0]) == -1).any():
            raise InvalidInput(FILE, f"division of floating-point numbers alone; {node.name[:100]!r} is {node.type}")


def run(session: Any, names: list[str], rows: Float32) -> list[NDArray[Any]]:
    """Outputs of n rows each for float32 [n, width].

    Raises:
        InvalidInput: an output has another number of rows.
        Exception: ONNX Runtime's own.
    """
    outputs: list[NDArray[Any]] = session.run(names, {FEATURES: rows})
    if any(output.shape[:1] != rows.shape[:1] for output in outputs):
        raise InvalidInput(FILE, "as many rows out of each output as come in")
    return outputs
