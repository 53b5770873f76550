"""A client's side of the protocol's binary tensors, written from its text."""

import json
import struct
from typing import Any, NamedTuple

import httpx
import numpy as np

LENGTH = "Inference-Header-Content-Length"
KINDS = {
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


def packed(values: list[Any], datatype: str) -> bytes:
    """The bytes of a tensor."""
    if datatype == "BYTES":
        texts = [value if isinstance(value, bytes) else value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, dtype=KINDS[datatype]).tobytes()


class Sent(NamedTuple):
    """An input and its bytes behind the JSON."""

    told: dict[str, Any]
    content: bytes


def sent(name: str, values: list[Any], datatype: str = "FP32", shape: list[int] | None = None) -> Sent:
    content = packed(values, datatype)
    size = {"binary_data_size": len(content)}
    return Sent({"name": name, "datatype": datatype, "shape": shape or [len(values)], "parameters": size}, content)


def body_of(*inputs: Sent | dict[str, Any], **fields: Any) -> tuple[bytes, dict[str, str]]:
    """A body and its header; an input that is no `Sent` stands in the JSON with its data."""
    told = [each.told if isinstance(each, Sent) else each for each in inputs]
    text = json.dumps({"inputs": told} | fields).encode()
    content = b"".join(each.content for each in inputs if isinstance(each, Sent))
    return text + content, {LENGTH: str(len(text))}


def outputs_of(answer: httpx.Response) -> dict[str, list[Any]]:
    """The outputs of an answer, flat, from wherever they stand in it."""
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    found, left = {}, answer.content[length:]
    for output in json.loads(answer.content[:length])["outputs"]:
        if "data" in output:
            found[output["name"]] = output["data"]
            continue
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = np.frombuffer(left[:size], KINDS[output["datatype"]]).tolist()
        left = left[size:]
    assert left == b""
    return found
