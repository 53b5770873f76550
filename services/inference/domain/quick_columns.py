"""The quick readers of requests with one input per feature, in JSON or in binary: see `domain.quick` for what they may
take.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from services.inference.domain.asked import Asked
from services.inference.domain.binary import BYTES, Parts, read_binary
from services.inference.domain.encoder import Columns, Encoder
from services.inference.domain.quick import UNUSUAL, Reads, Size, Told, each_key_once, understood

_NUMBERS: frozenset[type] = frozenset((float, NoneType))
_TEXTS: frozenset[type] = frozenset((str, NoneType))
_KEYS, _RAW_KEYS = 4, 5  # of an input


class _Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: list[int]


class _Column(_Input, gc=False):
    data: list[float | str | None]


class _RawColumn(_Input, gc=False):
    parameters: Size


class _Body(Told, gc=False):
    inputs: list[_Column]


class _RawBody(Told, gc=False):
    inputs: list[_RawColumn]


_decode = msgspec.json.Decoder(_Body).decode
_decode_raw = msgspec.json.Decoder(_RawBody).decode


def read_quick_columns(reads: Reads, encoder: Encoder, body: bytes, now_us: int) -> Asked | None:
    """The request in a JSON body, received at `now_us` (µs since 1970); None if the careful reader is needed."""
    try:
        read = _decode(body)
        columns = _columns(read.inputs, [each.data for each in read.inputs])
        if columns is None or not (_are(columns.numeric, _NUMBERS) and _are(columns.strings, _TEXTS)):
            return None
        texts = filter(None, chain.from_iterable(columns.strings.values()))
        colons = sum([text.count(":") for text in texts])
        if not each_key_once(read, 1 + _KEYS * len(read.inputs), body, colons):
            return None
        return _asked(reads, encoder, read, columns, now_us)
    except UNUSUAL:
        return None


def read_quick_columns_binary(
    reads: Reads, encoder: Encoder, body: bytes, json_length: int, now_us: int
) -> Asked | None:
    """As `read_quick_columns`, of `json_length` bytes of JSON and then the tensors, one after the other."""
    told = body[:json_length]
    try:
        read, parts = _decode_raw(told), Parts(body, json_length)
        taken = [parts.take(each.parameters.binary_data_size, "") for each in read.inputs]
        parts.check_end()
        data = [
            read_binary(part, each.datatype, tuple(each.shape), "")
            for part, each in zip(taken, read.inputs, strict=True)
        ]
        columns = _columns(read.inputs, data)
        if columns is None or not each_key_once(read, 1 + _RAW_KEYS * len(read.inputs), told):
            return None
        return _asked(reads, encoder, read, columns, now_us)
    except UNUSUAL:
        return None


def _columns(inputs: Sequence[_Input], data: Sequence[Any]) -> Columns | None:
    """By name, if all are of n values and of the shape [n] or [n, 1]."""
    rows = len(data[0]) if inputs else 0
    for each, values in zip(inputs, data, strict=True):
        if len(values) != rows or each.shape not in ([rows], [rows, 1]):
            return None
    named = list(zip(inputs, data, strict=True))
    numeric = {each.name: values for each, values in named if each.datatype != BYTES}
    strings = {each.name: values for each, values in named if each.datatype == BYTES}
    return Columns(rows, numeric, strings) if rows and len(numeric) + len(strings) == len(inputs) else None


def _are(columns: Mapping[str, Iterable[Any]], kinds: frozenset[type]) -> bool:
    return kinds.issuperset(map(type, chain.from_iterable(columns.values())))


def _asked(reads: Reads, encoder: Encoder, read: Told, columns: Columns, now_us: int) -> Asked | None:
    if columns.rows > reads.most_rows or not encoder.takes(columns):
        return None
    encoded = encoder.encode_columns(columns)
    asked = None if encoded is None else understood(reads, read, columns.rows, encoded, now_us)
    return asked and replace(asked, inputs=columns)
