"""A bundle as it answers: its graph in ONNX Runtime, and what its definition says of inputs and scores."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from services.inference.domain.answers import Answers
from services.inference.domain.encoder import Encoder, TensorSpec
from services.inference.domain.onnx_file import FEATURES
from services.inference.domain.quick import Reads
from services.inference.models.probe import Inputs
from services.inference.models.resident import Residency
from services.inference.models.session import DATATYPES, Node, open_session
from services.inference.models.trial import Limits, Tried, try_out
from shared.bundle import Bundle
from shared.errors import DriftlineError, InvalidInput
from shared.features import Float32
from shared.scoring import scores

STACKED_ROWS = 4_096  # of several requests in one run, at most
_WARM_ROWS = (1, 3)
_TIMED_ROWS = 256


class ModelFailed(DriftlineError):
    """A loaded model could not compute an answer."""


class LoadedModel:
    """Ready to answer. `outputs` are the graph's, `encoder` makes its input.

    `stackable`: rows of several requests may go into one run; if not, a row's outputs hang on those beside it, or a
    row can make all fail. `multiple`: runs are filled up to a multiple of these many rows, so that a row's outputs
    are the same to the bit whatever stands beside it; 0 if nothing brings that about. `resident` holds the session.
    `row_seconds` is what a row took when many were tried.
    """

    def __init__(self, bundle: Bundle, tried: Tried, residency: Residency) -> None:
        session: Any = open_session(bundle.onnx)  # its type knows outputs that no bundle has
        self.name = bundle.definition.name
        self.digest = bundle.digest
        self.definition = bundle.definition
        self.encoder = Encoder(bundle.definition, bundle.reference.categories)
        self.reads = Reads(self.name, self.encoder.block_width, bundle.definition.serving.max_rows)
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self.datatypes = {spec.name: spec.datatype for spec in self.outputs}
        self.answers = Answers(self.name, self.digest, self.datatypes)
        self._names = list(self.datatypes)
        self.stackable = tried.stackable
        self.multiple = tried.multiple
        self.resident = residency.admit(bundle.digest, session, tried.bytes)
        self.row_seconds = 0.0

    @property
    def is_open(self) -> bool:
        """Whether `run` can begin at once."""
        return self.resident.is_open

    async def bring(self) -> None:
        """Have the session opened again, if it was dropped, in a thread; raises ModelFailed."""
        try:
            await self.resident.bring()
        except Exception as error:  # ONNX Runtime raises many
            raise ModelFailed(f"model {self.name}: {error}") from error

    def run(self, tensor: Float32) -> dict[str, NDArray[Any]]:
        """Outputs by name for features float32 [n, F], n rows each; raises ModelFailed.

        If the session was dropped it is opened again here; `await bring()` before does that in a thread.
        """
        rows = len(tensor)
        if self.multiple > 1 and rows % self.multiple:
            tensor = np.pad(tensor, ((0, -rows % self.multiple), (0, 0)), mode="edge")
        try:
            with self.resident as session:
                outputs = session.run(self._names, {FEATURES: tensor})
        except (InvalidInput, Fail, InvalidArgument, RuntimeException) as error:
            raise ModelFailed(f"model {self.name}: {error}") from error
        given = len(tensor)
        for output in outputs:
            if not output.ndim or len(output) != given:
                raise ModelFailed(f"model {self.name}: gives another number of rows than it gets")
        if rows < given:
            outputs = [output[:rows] for output in outputs]
        return dict(zip(self._names, outputs, strict=True))

    def scores(self, outputs: Mapping[str, NDArray[Any]]) -> Float32:
        """Scores float32 [n, 1] of outputs, see `shared.scoring`; raises ModelFailed."""
        try:
            return scores(outputs, self.definition.label.kind)
        except InvalidInput as error:
            raise ModelFailed(f"model {self.name}: {error}") from error


def _spec(node: Node) -> TensorSpec:
    shape = tuple(length if isinstance(length, int) else -1 for length in node.shape)
    return TensorSpec(node.name, DATATYPES[node.type], shape)


def load(bundle: Bundle, limits: Limits | None = None, residency: Residency | None = None) -> LoadedModel:
    """A verified bundle, ready to answer: it has run in a process of its own, and here on rows of zeros.

    Without a `residency` it is never dropped from memory. Blocks for as long as `limits` allow.

    Raises:
        InvalidInput: its graph is refused, see `try_out`.
        ModelFailed: it gives no scores.
    """
    residency = residency or Residency(sys.maxsize, lambda _: bundle.onnx)
    definition, categories = bundle.definition, bundle.reference.categories
    counts = tuple(len(categories.get(feature.name, ())) for feature in definition.features)
    most = max(definition.serving.max_rows, STACKED_ROWS)
    tried = try_out(bundle.onnx, Inputs(counts, most), limits or Limits())
    model = LoadedModel(bundle, tried, residency)
    for rows in _WARM_ROWS:
        model.scores(model.run(np.zeros((rows, len(counts)), dtype=np.float32)))
    began = time.perf_counter()
    model.run(np.zeros((_TIMED_ROWS, len(counts)), dtype=np.float32))
    model.row_seconds = (time.perf_counter() - began) / _TIMED_ROWS
    return model
