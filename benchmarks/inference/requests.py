"""The bytes of requests: 32 different ones of each kind, which clients post in turn."""

import json
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.inference.data import STRINGS, WIDTH, Form, names, rows, texts

_DIFFERENT = 32
Column = list[float] | list[str]


@dataclass(frozen=True)
class Bodies:
    """How a server wants its requests: where they go, with which token, and how a body looks."""

    path: str
    token: str = ""

    def body(self, count: int, form: Form, seed: int) -> tuple[bytes, str]:
        """For so many rows, and the header lines of its own: one tensor of all features."""
        block = rows(count, seed)
        tensor = {"name": "features", "datatype": "FP32", "shape": [count, WIDTH]}
        if form == "json":
            return json.dumps({"inputs": [{**tensor, "data": _digits(block)}]}).encode(), ""
        return _binary([(tensor, block.tobytes())])

    @cache  # noqa: B019  # there are few, and they stay
    def posts(self, count: int, form: Form) -> list[bytes]:
        """Requests of `count` rows."""
        return [self._post(*self.body(count, form, seed)) for seed in range(_DIFFERENT)]

    def _post(self, body: bytes, line: str) -> bytes:
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{line}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class NamedBodies(Bodies):
    """One tensor for each feature."""

    def body(self, count: int, form: Form, seed: int) -> tuple[bytes, str]:
        """20 tensors."""
        tensors = [
            ({"name": name, "datatype": "BYTES" if is_string else "FP32", "shape": [count]}, values)
            for (name, is_string), values in zip(names(), _columns(count, seed), strict=True)
        ]
        if form == "json":
            return json.dumps({"inputs": [{**tensor, "data": values} for tensor, values in tensors]}).encode(), ""
        return _binary([(tensor, _bytes(values)) for tensor, values in tensors])


class PlainNamedBodies(Bodies):
    """One list for each feature, as the plain application takes them."""

    def body(self, count: int, form: Form, seed: int) -> tuple[bytes, str]:
        """JSON alone."""
        assert form == "json"
        columns = zip(names(), _columns(count, seed), strict=True)
        return json.dumps({"inputs": {name: values for (name, _), values in columns}}).encode(), ""


def _columns(count: int, seed: int) -> list[Column]:
    numbers = rows(count, seed, WIDTH - STRINGS)
    return [*map(_digits, numbers.T), *(texts(count, 1_000 * seed + number) for number in range(STRINGS))]


def _digits(values: np.ndarray[Any, np.dtype[np.float32]]) -> list[float]:
    return [round(value, 4) for value in values.ravel().tolist()]


def _bytes(values: Column) -> bytes:
    parts = [value.encode() if isinstance(value, str) else value for value in values]
    if all(isinstance(part, bytes) for part in parts):
        return b"".join(struct.pack("<I", len(part)) + part for part in parts if isinstance(part, bytes))
    return np.array(parts, dtype="<f4").tobytes()


def _binary(tensors: list[tuple[dict[str, Any], bytes]]) -> tuple[bytes, str]:
    told = [{**tensor, "parameters": {"binary_data_size": len(part)}} for tensor, part in tensors]
    head = json.dumps({"inputs": told, "parameters": {"binary_data_output": True}}).encode()
    line = f"Inference-Header-Content-Length: {len(head)}\r\n"
    return b"".join([head, *(part for _, part in tensors)]), line
