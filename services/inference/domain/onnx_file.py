"""A look into an ONNX file before ONNX Runtime sees it: a tensor whose data lie in another file is refused.

ONNX Runtime follows such names, links included, to any file that the process can read. This reads the protobuf wire
format (protobuf.dev/programming-guides/encoding) of just the fields that can hold a tensor, at any depth.
"""

from collections.abc import Iterator

from shared.errors import InvalidInput

FILE = "model.onnx"

# Message → field number → message inside; the fields of onnx.proto through which a TensorProto can be reached.
SCHEMA: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "TensorProto": {},
}
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14
_DEEPEST = 64

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_self_contained(model: bytes) -> None:
    """Raises InvalidInput unless `model` is an ONNX protobuf with all its data inside."""
    if model[4:8] == b"ORTM":  # ONNX Runtime's own format, which it would recognise by these bytes
        raise InvalidInput(FILE, "an ONNX protobuf, not ONNX Runtime's own format")
    try:
        _check(memoryview(model), "ModelProto", 0)
    except IndexError:
        raise InvalidInput(FILE, "an ONNX protobuf; a field is cut short or has no number") from None


def _check(buffer: memoryview, message: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidInput(FILE, f"graphs nested at most {_DEEPEST} deep")
    known = SCHEMA[message]
    for number, value in _fields(buffer):
        if message == "TensorProto" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
            raise InvalidInput(FILE, "no external data: every tensor inside the file")
        if number in known and isinstance(value, memoryview):
            _check(value, known[number], depth + 1)


def _fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with a varint's value or a length-delimited field's content (0 for fixed-size numbers)."""
    at, end = 0, len(buffer)
    while at < end:
        tag, at = _varint(buffer, at)
        kind = tag & 7
        value: int | memoryview = 0
        if kind == _VARINT:
            value, at = _varint(buffer, at)
        elif kind == _BYTES:
            length, start = _varint(buffer, at)
            at = start + length
            value = buffer[start:at]
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:
            raise InvalidInput(FILE, f"an ONNX protobuf; wire type {kind} is not used there")
        if at > end or not 8 <= tag < 2**32:  # protobuf's parsers cut larger tags, and then see another field
            raise IndexError
        yield tag >> 3, value


def _varint(buffer: memoryview, at: int) -> tuple[int, int]:
    """An unsigned varint of at most 10 bytes and the position after it; raises IndexError beyond the end."""
    byte = buffer[at]
    if byte < 128:
        return byte, at + 1
    value = byte & 127
    for shift in range(7, 70, 7):
        at += 1
        byte = buffer[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + 1
    raise InvalidInput(FILE, "an ONNX protobuf; a number is too long")
