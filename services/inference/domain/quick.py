"""The quick reader: takes the commonest request, and only if nothing about it is unusual.

Whatever it does not take is read by `domain.request`, which says what is wrong, or that nothing is: what both take
they take as the same.
"""

from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import simdjson
from numpy.typing import NDArray

_LARGE = 8_192  # bytes of JSON: from here on numbers go from text to a buffer, never through Python objects
_LONGEST = 256  # characters of an id or an entity


class _Block(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: Literal["features"]
    datatype: Literal["FP32"]
    shape: tuple[int, int]
    data: list[float]


class _Size(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    binary_data_size: int


class _RawBlock(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: Literal["features"]
    datatype: Literal["FP32"]
    shape: tuple[int, int]
    parameters: _Size


class _Parameters(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    event_time: str | None = None
    entity: str | None = None
    binary_data_output: bool = False


_NO_PARAMETERS = _Parameters()


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inputs: tuple[_Block]
    id: str | None = None
    parameters: _Parameters = _NO_PARAMETERS


class _RawBody(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inputs: tuple[_RawBlock]
    id: str | None = None
    parameters: _Parameters = _NO_PARAMETERS


class Quick(NamedTuple):
    """A request for the block `features`: `values` are rows * width numbers, row by row; `binary`: so is the answer."""

    id: str | None
    event_time: str | None
    entity: str | None
    rows: int
    values: list[float] | NDArray[np.float64] | NDArray[np.float32]
    binary: bool


_decode_raw = msgspec.json.Decoder(_RawBody).decode
_decode = msgspec.json.Decoder(_Body).decode


def read_quick(body: bytes, width: int, most_rows: int) -> Quick | None:
    """The request in a JSON body for `width` features, None if the careful reader is needed."""
    if len(body) >= _LARGE:
        return _read_large(body, width, most_rows)
    try:
        read = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # what is wrong says the careful reader
        return None
    if not _each_key_once(read, 5, body.count(b":")):
        return None
    return _quick(read, read.inputs[0].data, width, most_rows)


def read_quick_binary(body: bytes, json_length: int, width: int, most_rows: int) -> Quick | None:
    """As `read_quick`, of `json_length` bytes of JSON and then the block as FP32, little endian."""
    size = len(body) - json_length
    if not 0 < json_length < len(body) or size % 4:
        return None
    try:
        read = _decode_raw(memoryview(body)[:json_length])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if read.inputs[0].parameters.binary_data_size != size:
        return None
    if not _each_key_once(read, 6, body.count(b":", 0, json_length)):
        return None
    return _quick(read, np.frombuffer(body, dtype="<f4", offset=json_length), width, most_rows)


def _each_key_once(read: _Body | _RawBody, needed: int, colons: int) -> bool:
    """Whether the JSON has as many keys as were kept, of which `needed` always stand there: each key has a colon, and
    texts have the others.
    """
    if read.id is not None:
        colons -= 1 + read.id.count(":")
    parameters = read.parameters
    if parameters is not _NO_PARAMETERS:
        colons -= 1 + parameters.binary_data_output
        for text in (parameters.event_time, parameters.entity):
            if text is not None:
                colons -= 1 + text.count(":")
    return colons == needed


def _read_large(body: bytes, width: int, most_rows: int) -> Quick | None:
    if body.count(b"[") != 3:  # inputs, shape and data: nested rows are the careful reader's, who counts each
        return None
    try:
        parsed: Any = simdjson.Parser().parse(body)
        block = parsed["inputs"][0]
        values = np.frombuffer(block["data"].as_buffer(of_type="d"), dtype=np.float64)
        plain = {**_plain(parsed, "inputs"), "inputs": [{**_plain(block, "data"), "data": []}]}
        return _quick(msgspec.convert(plain, _Body), values, width, most_rows)
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError):  # msgspec's errors are ValueErrors
        return None


def _plain(found: Any, but: str) -> dict[str, Any]:
    """A JSON object's fields but one; LookupError if one is there twice."""
    names = list(found.keys())
    if len(set(names)) < len(names):
        raise LookupError
    return {name: _value(found[name]) for name in names if name != but}


def _value(found: Any) -> Any:
    if isinstance(found, simdjson.Object):
        return _plain(found, "")
    return found.as_list() if isinstance(found, simdjson.Array) else found


def _quick(
    read: _Body | _RawBody,
    values: list[float] | NDArray[np.float64] | NDArray[np.float32],
    width: int,
    most_rows: int,
) -> Quick | None:
    parameters = read.parameters
    rows, columns = read.inputs[0].shape
    if columns != width or not 1 <= rows <= most_rows or len(values) != rows * columns:
        return None
    if not (_short(read.id) and _short(parameters.entity)):
        return None
    return Quick(read.id, parameters.event_time, parameters.entity, rows, values, parameters.binary_data_output)


def _short(text: str | None) -> bool:
    return text is None or 1 <= len(text) <= _LONGEST
