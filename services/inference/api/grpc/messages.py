"""Requests and answers of `ModelInfer`: what REST says in JSON and binary parts, in the messages of gRPC."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.domain.binary import BYTES, DTYPES, MOST_STRINGS, Parts, write_binary
from services.inference.domain.parameters import MOST_PARAMETERS
from services.inference.domain.request import InferRequest, read_fields
from services.inference.models.loaded import LoadedModel
from shared.errors import InvalidInput

# The field of InferTensorContents for the values of a datatype; FP16 has none.
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
_MOST = 10_000  # inputs or outputs: some bytes of a message become a hundred times as many of objects
_DATA = re.compile(r"^inputs\[(\d+)\]\.(?:data\b|parameters\.binary_data_size$)")

_Parameters = Mapping[str, pb.InferParameter]


def is_raw(message: pb.ModelInferRequest) -> bool:
    """Whether values come, and so are to go, as raw bytes."""
    return len(message.raw_input_contents) > 0


def read_infer(message: pb.ModelInferRequest) -> InferRequest:
    """The request that a message holds; in floating-point values NaN is missing.

    Raises:
        InvalidInput: `field` is the path of what is wrong, in REST's words; see `in_grpc_words`.
    """
    for field, count in (("inputs", len(message.inputs)), ("outputs", len(message.outputs))):
        if count > _MOST:
            raise InvalidInput(field, f"at most {_MOST}")
    parts = _raw_parts(message) if is_raw(message) else [_packed(*each) for each in enumerate(message.inputs)]
    fields = {
        "id": message.id or None,
        "parameters": _plain(message.parameters),
        "inputs": [_input(tensor, len(part)) for tensor, part in zip(message.inputs, parts, strict=True)],
        "outputs": [{"name": output.name, "parameters": _plain(output.parameters)} for output in message.outputs],
    }
    return read_fields(fields, Parts(b"".join(parts), 0))


def in_grpc_words(field: str, raw: bool) -> str:
    """A path of REST as gRPC names it: `inputs[0].data[3]` is `inputs[0].contents[3]` or `raw_input_contents[0][3]`."""
    return _DATA.sub(r"raw_input_contents[\1]" if raw else r"inputs[\1].contents", field)


def _raw_parts(message: pb.ModelInferRequest) -> list[bytes]:
    if len(message.raw_input_contents) != len(message.inputs):
        count = f"{len(message.inputs)} of them, one for each input"
        raise InvalidInput("raw_input_contents", f"{count}, not {len(message.raw_input_contents)}")
    for position, tensor in enumerate(message.inputs):
        if tensor.contents.ListFields():
            raise InvalidInput(f"inputs[{position}].contents", "nothing, for there are raw_input_contents")
    return list(message.raw_input_contents)


def _packed(position: int, tensor: pb.ModelInferRequest.InferInputTensor) -> bytes:
    """Typed contents as their raw bytes; none for a datatype or shape that can't be, which `read_fields` will say."""
    if tensor.datatype not in DTYPES and tensor.datatype != BYTES:
        return b""
    name = _CONTENTS.get(tensor.datatype)
    where = f"inputs[{position}].contents"
    if name is None:
        raise InvalidInput(where, f"nothing: {tensor.datatype} goes in raw_input_contents")
    if [field.name for field, _ in tensor.contents.ListFields()] != [name]:
        raise InvalidInput(where, f"values of {tensor.datatype} in {name}, and in no other field")
    values = getattr(tensor.contents, name)
    if any(length < 1 for length in tensor.shape) or (tensor.datatype == BYTES and len(values) > MOST_STRINGS):
        return b""
    if len(values) != prod(tensor.shape):
        raise InvalidInput(f"{where}.{name}", f"{prod(tensor.shape)} values, as shape says, not {len(values)}")
    return _bytes(values, tensor.datatype, f"{where}.{name}")


def _bytes(values: Sequence[Any], datatype: str, where: str) -> bytes:
    try:  # numpy looks for overflow in a list, and not in protobuf's containers
        return write_binary(np.array(list(values), dtype=DTYPES.get(datatype, np.object_)), datatype)
    except OverflowError:
        raise InvalidInput(where, f"within {datatype}") from None


def _input(tensor: pb.ModelInferRequest.InferInputTensor, size: int) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": {**_plain(tensor.parameters), "binary_data_size": size},
    }


def _plain(parameters: _Parameters) -> dict[str, Any]:
    """Parameters as JSON has them; one without a value is null."""
    few = islice(parameters.items(), MOST_PARAMETERS + 1)  # `read_fields` refuses more than those
    chosen = ((name, value, value.WhichOneof("parameter_choice")) for name, value in few)
    return {name: None if choice is None else getattr(value, choice) for name, value, choice in chosen}


def write_infer(
    model: LoadedModel, request: InferRequest, answer_id: str, outputs: Mapping[str, NDArray[Any]], *, raw: bool
) -> pb.ModelInferResponse:
    """The answer to `request`; its values are raw bytes if `raw` says so, or if FP16 is among them: it has no field."""
    answer = pb.ModelInferResponse(model_name=model.name, model_version=model.digest, id=answer_id)
    if request.ignored:
        answer.parameters["ignored"].string_param = ", ".join(request.ignored)
    raw = raw or any(model.datatypes[name] not in _CONTENTS for name in outputs)
    for name, output in outputs.items():
        datatype = model.datatypes[name]
        tensor = answer.outputs.add(name=name, datatype=datatype, shape=output.shape)
        if raw:
            answer.raw_output_contents.append(write_binary(output, datatype))
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(_values(output, datatype))
    return answer


def _values(output: NDArray[Any], datatype: str) -> list[Any]:
    values: list[Any] = output.ravel().tolist()
    if datatype != BYTES:
        return values
    return [value if isinstance(value, bytes) else str(value).encode() for value in values]
