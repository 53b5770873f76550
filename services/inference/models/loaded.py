"""A bundle as it answers: its graph in ONNX Runtime, and what its definition says of inputs and scores."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from services.inference.domain.encoder import Encoder, TensorSpec
from services.inference.domain.onnx_file import FILE, check_self_contained
from services.inference.domain.quick import FEATURES
from services.inference.domain.stack import Answers
from shared.bundle import Bundle
from shared.errors import DriftlineError, InvalidInput
from shared.features import Float32
from shared.scoring import scores

DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
    **{f"tensor({sign}int{bits})": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_WARM_ROWS = (1, 3)


class ModelFailed(DriftlineError):
    """A loaded model could not compute an answer."""


class Node(Protocol):
    """An input or output as ONNX Runtime describes it; unknown lengths are None or a name."""

    name: str
    type: str
    shape: list[int | str | None]


def open_session(model: bytes) -> ort.InferenceSession:
    """A session on one thread that never spins: requests come one at a time, and the core is shared.

    Raises:
        InvalidInput: data lie outside the file.
        Exception: ONNX Runtime's own, for a graph it can't use.
    """
    check_self_contained(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class LoadedModel:
    """Ready to answer. `outputs` are the graph's, `encoder` makes its input."""

    def __init__(self, bundle: Bundle, session: ort.InferenceSession) -> None:
        self.name = bundle.definition.name
        self.digest = bundle.digest
        self.definition = bundle.definition
        self.encoder = Encoder(bundle.definition, bundle.reference.categories)
        self.width = self.encoder.block_width
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self.datatypes = {spec.name: spec.datatype for spec in self.outputs}
        self.answers = Answers(self.name, self.digest, self.datatypes)
        self._names = list(self.datatypes)
        self._session: Any = session  # its type knows outputs that no bundle has

    def run(self, tensor: Float32) -> dict[str, NDArray[Any]]:
        """Outputs by name for features float32 [n, F], n rows each; raises ModelFailed."""
        try:
            outputs = self._session.run(self._names, {FEATURES: tensor})
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise ModelFailed(f"model {self.name}: {error}") from error
        if any(output.shape[:1] != tensor.shape[:1] for output in outputs):
            raise ModelFailed(f"model {self.name}: gives another number of rows than it gets")
        return dict(zip(self._names, outputs, strict=True))

    def scores(self, outputs: Mapping[str, NDArray[Any]]) -> Float32:
        """Scores float32 [n, 1] of outputs, see `shared.scoring`; raises ModelFailed."""
        try:
            return scores(outputs, self.definition.label.kind)
        except InvalidInput as error:
            raise ModelFailed(f"model {self.name}: {error}") from error


def _spec(node: Node) -> TensorSpec:
    if node.type not in DATATYPES:
        raise InvalidInput(FILE, f"output {node.name} as a tensor, not {node.type}; convert without zipmap")
    shape = tuple(length if isinstance(length, int) else -1 for length in node.shape)
    return TensorSpec(node.name, DATATYPES[node.type], shape)


def load(bundle: Bundle) -> LoadedModel:
    """A verified bundle, ready to answer; it has run once on rows of zeros.

    Raises:
        InvalidInput: the graph's inputs or outputs are not those of a bundle, or its data lie outside the file.
        ModelFailed: it does not run.
        Exception: ONNX Runtime's own, for a graph it can't use.
    """
    session = open_session(bundle.onnx)
    width = len(bundle.definition.features)
    _check_input(session.get_inputs(), width)
    model = LoadedModel(bundle, session)
    for rows in _WARM_ROWS:
        model.scores(model.run(np.zeros((rows, width), dtype=np.float32)))
    return model


def _check_input(inputs: Sequence[Node], width: int) -> None:
    wanted = f"one input {FEATURES!r} of float32 [n, {width}]"
    if len(inputs) != 1 or inputs[0].name != FEATURES or inputs[0].type != "tensor(float)":
        raise InvalidInput(FILE, wanted)
    shape = inputs[0].shape
    if len(shape) != 2 or isinstance(shape[0], int) or shape[1] not in (width, None):
        raise InvalidInput(FILE, f"{wanted}, not {shape}")
