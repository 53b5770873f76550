"""The quick reader of requests with one input per feature, in JSON: see `domain.quick` for what it may take."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from services.inference.domain.asked import Asked
from services.inference.domain.encoder import Columns, Encoder
from services.inference.domain.quick import UNUSUAL, Reads, Told, each_key_once, understood

_KEYS = 4  # of an input


class _Column(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: list[int]
    data: list[float | str | None]


class _Body(Told, gc=False):
    inputs: list[_Column]


_decode = msgspec.json.Decoder(_Body).decode


def read_quick_columns(reads: Reads, encoder: Encoder, body: bytes, now_us: int) -> Asked | None:
    """The request in a JSON body, received at `now_us` (µs since 1970); None if the careful reader is needed."""
    try:
        read = _decode(body)
        columns = _columns(read.inputs)
        if columns is None or columns.rows > reads.most_rows or not encoder.takes(columns):
            return None
        colons = body.count(b":") - sum([text.count(":") for text in columns.texts])
        encoded = encoder.encode_columns(columns)
        if encoded is None or not each_key_once(read, 1 + _KEYS * len(read.inputs), colons):
            return None
        asked = understood(reads, read, columns.rows, encoded, now_us)
        return asked and replace(asked, inputs=columns)
    except UNUSUAL:
        return None


def _columns(inputs: list[_Column]) -> Columns | None:
    """By name, if all are of n values and of the shape [n] or [n, 1]."""
    rows = len(inputs[0].data) if inputs else 0
    for each in inputs:
        if len(each.data) != rows or each.shape not in ([rows], [rows, 1]):
            return None
    numeric = {each.name: each.data for each in inputs if each.datatype == "FP32"}
    strings = {each.name: each.data for each in inputs if each.datatype == "BYTES"}
    return Columns(rows, numeric, strings) if rows and len(numeric) + len(strings) == len(inputs) else None
