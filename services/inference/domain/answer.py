"""What a request is answered with, and what is logged of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from shared.errors import InvalidInput
from shared.features import Float32, Rows


@dataclass(frozen=True, slots=True)
class Answered:
    """n answered rows of one request: what `shared.batch.PredictionBatch` says of each.

    `key` is the request's 16 bytes; rows before `seen` were answered under this id before; `latency_us` is from
    receipt to answer.
    """

    key: bytes
    seen: int
    entity: list[str | None]
    event_time: NDArray[np.datetime64]
    rows: Rows
    scores: Float32
    latency_us: int

    def __len__(self) -> int:
        return len(self.scores)


def chosen(outputs: Iterable[str], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names of the outputs to answer with; raises InvalidInput for one that the model does not have."""
    known = tuple(outputs)
    for position, name in enumerate(asked or ()):
        if name not in known:
            raise InvalidInput(f"outputs[{position}].name", f"one of {', '.join(known)}")
    return asked or known


def response(
    model: str, version: str, request_id: str, outputs: Mapping[str, NDArray[Any]], datatypes: Mapping[str, str]
) -> bytes:
    """The JSON body of an answer: `outputs` by name, in their order; a number that is not finite is null."""
    tensors = [
        {
            "name": name,
            "datatype": datatypes[name],
            "shape": output.shape,
            "data": output.ravel().tolist(),
        }
        for name, output in outputs.items()
    ]
    body = {"model_name": model, "model_version": version, "id": request_id, "outputs": tensors}
    return to_json(body, inf_nan_mode="null")
