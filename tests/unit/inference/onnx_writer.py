"""Writes ONNX files, also such as no library would write: field numbers are those of onnx.proto."""

import struct
from collections.abc import Sequence

FLOAT, UINT8, INT64, STRING = 1, 2, 7, 8


def varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(number: int, contents: Sequence[bytes | str | int]) -> bytes:
    return b"".join(field(number, content) for content in contents)


def tensor(name: str, values: Sequence[float | int], dims: Sequence[int] | None = None) -> bytes:
    """float32 if the first value is a float, else int64; one dimension unless told."""
    is_float = isinstance(values[0], float)
    raw = struct.pack(f"<{len(values)}{'f' if is_float else 'q'}", *values)
    dims = [len(values)] if dims is None else dims
    return fields(1, dims) + field(2, FLOAT if is_float else INT64) + field(8, name) + field(9, raw)


def external(location: str, mark: int = 1) -> bytes:
    """A float32 tensor `w` [3] whose data lie in another file."""
    entry = field(1, "location") + field(2, location)
    return field(1, 3) + field(2, FLOAT) + field(8, "w") + field(13, entry) + field(14, mark)


def attribute(name: str, value: bytes | str | int | float | Sequence[int], number: int = 0) -> bytes:
    """Bytes are a tensor, or what `number` says: 6 is a graph, 22 a sparse tensor."""
    if isinstance(value, float):
        return field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    if isinstance(value, bytes):
        kind = {0: 4, 5: 4, 6: 5, 22: 11}[number]
        return field(1, name) + field(number or 5, value) + field(20, kind)
    return field(1, name) + fields(8, value) + field(20, 7)


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes, domain: str | None = None
) -> bytes:
    named = fields(1, inputs) + fields(2, outputs) + field(4, operator) + fields(5, attributes)
    return named if domain is None else named + field(7, domain)


def shaped(name: str, dims: Sequence[int | str], kind: int = FLOAT) -> bytes:
    """A tensor's name, shape and type."""
    shape = fields(1, [field(1, each) if isinstance(each, int) else field(2, each) for each in dims])
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def graph(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    inputs: Sequence[bytes] = (shaped("features", ["n", 3]),),
    outputs: Sequence[bytes] = (shaped("prediction", ["n", 1]),),
) -> bytes:
    return fields(1, nodes) + field(2, "g") + fields(5, tensors) + fields(11, inputs) + fields(12, outputs)


def model(graph: bytes, more: bytes = b"") -> bytes:
    opsets = field(8, field(1, "") + field(2, 18)) + field(8, field(1, "ai.onnx.ml") + field(2, 3))
    return field(1, 9) + opsets + field(7, graph) + more


def regression(*nodes: bytes, tensors: Sequence[bytes] = ()) -> bytes:
    """A graph from `features` float32 [n, 3] to `prediction` float32 [n, 1]."""
    return model(graph(nodes, tensors))


def summing(source: str = "features") -> bytes:
    """The node that makes a prediction of what its source [n, k] holds; needs the tensor `one`."""
    return node("ReduceSum", [source, "one"], ["prediction"], attribute("keepdims", 1))


ONE = tensor("one", [1])
GOOD = regression(summing(), tensors=[ONE])
