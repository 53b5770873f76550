"""The protobuf wire format (protobuf.dev/programming-guides/encoding), as far as a file is only looked at."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """These bytes are no protobuf message; says why."""


def fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with a varint's value, a length-delimited field's content, or a fixed-size number's bytes.

    Raises:
        Malformed: the bytes end within a field, or hold what no ONNX file has.
    """
    at, end = 0, len(buffer)
    while at < end:
        try:
            tag, at = _varint(buffer, at)
            if not 8 <= tag < 2**32:  # protobuf's parsers cut larger tags, and then see another field
                raise Malformed("a field has no number")
            value, at = _value(buffer, at, tag & 7)
        except IndexError:
            raise Malformed("a field is cut short") from None
        if at > end:
            raise Malformed("a field is cut short")
        yield tag >> 3, value


def varints(content: memoryview) -> Iterator[int]:
    """The numbers of a packed field; raises Malformed."""
    at, end = 0, len(content)
    while at < end:
        try:
            value, at = _varint(content, at)
        except IndexError:
            raise Malformed("a number is cut short") from None
        yield value


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return _written(number << 3 | BYTES) + _written(len(content)) + content


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _value(buffer: memoryview, at: int, kind: int) -> tuple[int | memoryview, int]:
    if kind == VARINT:
        return _varint(buffer, at)
    if kind == BYTES:
        length, at = _varint(buffer, at)
    elif kind in (FIXED32, FIXED64):
        length = 4 if kind == FIXED32 else 8
    else:
        raise Malformed(f"wire type {kind} is not used there")
    return buffer[at : at + length], at + length


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
    raise Malformed("a number is too long")
