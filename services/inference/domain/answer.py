"""What a request asks to be answered with, and the answers that are not plain JSON of the outputs."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.domain.asked import Asked
from services.inference.domain.binary import write_binary
from services.inference.domain.request import InferRequest
from shared.errors import InvalidInput


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A body; `json_length` if binary tensors follow its JSON, else None."""

    body: bytes
    json_length: int | None = None


def check_outputs(known: Collection[str], asked: tuple[str, ...] | None) -> None:
    """Raises InvalidInput if an output is asked for that the model does not have."""
    for position, name in enumerate(asked or ()):
        if name not in known:
            raise InvalidInput(f"outputs[{position}].name", f"one of {', '.join(known)}")


def special_answer(
    model: str, version: str, asked: Asked, outputs: Mapping[str, NDArray[Any]], datatypes: Mapping[str, str]
) -> Answer:
    """The answer in the form that `asked.special` wants: outputs in binary behind the JSON, each as it was asked for,
    and the parameters that were ignored. In JSON a number that is not finite is null.
    """
    request = asked.special
    tensors: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name in asked.outputs or outputs:
        told: dict[str, Any] = {"name": name, "datatype": datatypes[name], "shape": outputs[name].shape}
        if request is not None and request.in_binary(name):
            parts.append(write_binary(outputs[name], datatypes[name]))
            tensors.append({**told, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            tensors.append({**told, "data": in_json(outputs[name].ravel())})
    head = _head(model, version, asked, request, tensors)
    return Answer(b"".join([head, *parts]), len(head) if parts else None)


def _head(model: str, version: str, asked: Asked, request: InferRequest | None, tensors: list[dict[str, Any]]) -> bytes:
    told: dict[str, Any] = {"model_name": model, "model_version": version, "id": asked.id}
    if request is not None and request.ignored:
        told["parameters"] = {"ignored": ", ".join(request.ignored)}
    return orjson.dumps({**told, "outputs": tensors}, option=orjson.OPT_SERIALIZE_NUMPY)


def in_json(values: NDArray[Any]) -> Any:
    """What orjson writes as these values; floats stay of their own type, which has no more digits than it needs."""
    return np.ascontiguousarray(values) if values.dtype.kind == "f" else values.tolist()
