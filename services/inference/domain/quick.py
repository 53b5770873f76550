"""The quick reader: takes the commonest request, and only if nothing about it is unusual.

Whatever it does not take is read by `domain.request`, which says what is wrong, or that nothing is: what both take
they take as the same.
"""

from typing import Any, Literal

import msgspec
import numpy as np
import simdjson

from services.inference.domain.asked import Asked, Numbers, identity
from services.inference.domain.context import microseconds
from services.inference.domain.encoder import Encoded
from shared.errors import InvalidInput

_LARGE = 600  # bytes of JSON: from here on numbers go from text to a buffer, never through Python objects
_DATA = b'"data":'
_ESCAPED = b"\\u003"  # a colon, perhaps
_LONGEST = 256  # characters of an id or an entity


class _Block(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: Literal["features"]
    datatype: Literal["FP32"]
    shape: tuple[int, int]
    data: list[float]


class Size(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Of a tensor in binary, in bytes."""

    binary_data_size: int


class _RawBlock(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: Literal["features"]
    datatype: Literal["FP32"]
    shape: tuple[int, int]
    parameters: Size


class Parameters(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """Of a request that a quick reader takes."""

    event_time: str | None = None
    entity: str | None = None
    binary_data_output: bool = False


NO_PARAMETERS = Parameters()


class Told(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What a request says beside its inputs."""

    id: str | None = None
    parameters: Parameters = NO_PARAMETERS


class _Body(Told, gc=False):
    inputs: tuple[_Block]


class _RawBody(Told, gc=False):
    inputs: tuple[_RawBlock]


class Reads(msgspec.Struct, frozen=True):
    """What a model reads: requests for it, of rows of so many features, at most so many rows."""

    model: str
    width: int
    most_rows: int


_decode_raw = msgspec.json.Decoder(_RawBody).decode
_decode = msgspec.json.Decoder(_Body).decode
# msgspec's errors and simdjson's are ValueErrors, and a number that no float holds is one, too.
UNUSUAL = (ValueError, TypeError, RuntimeError, InvalidInput)


def read_quick(reads: Reads, body: bytes, now_us: int) -> Asked | None:
    """The request in a JSON body, received at `now_us` (µs since 1970); None if the careful reader is needed."""
    try:
        if len(body) >= _LARGE:
            return _read_large(reads, body, now_us)
        read = _decode(body)
        if not each_key_once(read, 5, body):
            return None
        return _block(reads, read, read.inputs[0].data, len(read.inputs[0].data), now_us)
    except UNUSUAL:  # what is wrong says the careful reader
        return None


def _read_large(reads: Reads, body: bytes, now_us: int) -> Asked | None:
    """Numbers and the rest apart: the body is right if both are, for a list of numbers holds one bracket, its last."""
    begin = body.find(b"[", body.find(_DATA)) if _DATA in body else -1
    end = body.find(b"]", begin) + 1
    if begin < 0 or not end:
        return None
    rest = b"%b[]%b" % (body[:begin], body[end:])
    read = _decode(rest)
    if read.inputs[0].data or not each_key_once(read, 5, rest):
        return None
    array: Any = simdjson.Parser().parse(body[begin:end])
    values = np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64)
    return _block(reads, read, values, len(values), now_us)


def read_quick_binary(reads: Reads, body: bytes, json_length: int, now_us: int) -> Asked | None:
    """As `read_quick`, of `json_length` bytes of JSON and then the block as FP32, little endian."""
    size = len(body) - json_length
    if not 0 < json_length < len(body) or size % 4:
        return None
    told = body[:json_length]
    try:
        read = _decode_raw(told)
        is_whole = read.inputs[0].parameters.binary_data_size == size
        if not is_whole or not each_key_once(read, 6, told):
            return None
        return _block(reads, read, memoryview(body)[json_length:], size // 4, now_us)
    except UNUSUAL:
        return None


def each_key_once(read: Told, needed: int, body: bytes, others: int = 0) -> bool:
    """Whether the JSON has as many keys as were kept, of which `needed` always stand there: each key has a colon, and
    texts have the others, of which `others` are not counted here. Where one may be escaped nobody can tell so.
    """
    if _ESCAPED in body:
        return False
    colons = body.count(b":") - others
    if read.id is not None:
        colons -= 1 + read.id.count(":")
    parameters = read.parameters
    if parameters is not NO_PARAMETERS:
        colons -= 1 + parameters.binary_data_output
        for text in (parameters.event_time, parameters.entity):
            if text is not None:
                colons -= 1 + text.count(":")
    return colons == needed


def _block(reads: Reads, read: _Body | _RawBody, values: Numbers, count: int, now_us: int) -> Asked | None:
    rows, columns = read.inputs[0].shape
    if columns != reads.width or not 1 <= rows <= reads.most_rows or count != rows * columns:
        return None
    return understood(reads, read, rows, values, now_us)


def understood(reads: Reads, read: Told, rows: int, values: Numbers | Encoded, now_us: int) -> Asked | None:
    """The request, unless its id or entity is too long; raises InvalidInput for a time that is none."""
    told, parameters = read.id, read.parameters
    if told is not None and not 1 <= len(told) <= _LONGEST:
        return None
    if parameters is NO_PARAMETERS:
        return Asked(*identity(reads.model, told, now_us), rows, values, now_us, None)
    time, entity = parameters.event_time, parameters.entity
    if entity is not None and not 1 <= len(entity) <= _LONGEST:
        return None
    time_us = now_us if time is None else microseconds(time, "parameters.event_time")
    key, text = identity(reads.model, told, time_us)
    return Asked(key, text, rows, values, time_us, entity, parameters.binary_data_output)
