"""A digest of rows that depends on their values and their order alone.

Not on files, compaction or columns that came later: a column that is null in all of the rows is left out. It is the
sha256 of `driftline rows 2\\n`, the number of rows as uint32, then per column, sorted by name: the name, a zero byte,
the kind, a zero byte, 0 (no null) or 1 and a byte per row (1 = valid), then the values, null as zero or empty. All
numbers are little endian. Kinds: numpy's names of numbers (a NaN is the quiet one), `date` (int32 days), `time` (int64
microseconds in UTC), `bool`, `text` and `bytes` (all lengths as uint32, then all bytes), `list` (all lengths as uint32,
then the items as a column), `json` for the rest (as text). A column that is no floats, bytes or lists and has at most
half as many runs of equal values as rows is of the kind `runs`: their number and lengths as uint32, then a value of
each as a column: most of what says where rows come from is the same for all rows of a message.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FORMAT = b"driftline rows 2\n"
_NULL, _VALID = b"\1", b"\0"


def digests(rows: pa.Table, cuts: Sequence[int]) -> list[bytes]:
    """32 bytes for each part of the rows: part i goes from `cuts[i]` up to `cuts[i + 1]`."""
    counts = np.diff(np.asarray(cuts, np.int64)).astype("<u4").tobytes()
    heads = [FORMAT + counts[at : at + 4] for at in range(0, len(counts), 4)]
    columns = [_column(name, _in_one(rows.column(name)), cuts) for name in sorted(rows.column_names)]
    return [hashlib.sha256(b"".join(parts)).digest() for parts in zip(heads, *columns, strict=True)]


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """The values in one piece, in their plain form."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return column.cast(plain.get(kind, kind)).combine_chunks()


def _column(name: str, column: pa.Array, cuts: Sequence[int]) -> list[bytes]:
    """Per part what stands for this column, with its head; nothing where all is null."""
    if _may_run(column.type):
        return [_runs(name, column.slice(a, b - a)) for a, b in pairwise(cuts)]
    return _plain(name, column, cuts)


def _may_run(kind: pa.DataType) -> bool:
    return not any(is_plain(kind) for is_plain in (pa.types.is_floating, pa.types.is_binary, pa.types.is_nested))


def _runs(name: str, column: pa.Array) -> bytes:
    if not len(column):
        return b""
    runs = pc.call_function("run_end_encode", [column])
    if 2 * len(runs.values) > len(column):
        return _plain(name, column, [0, len(column)])[0]
    (values,) = _plain("", runs.values, [0, len(runs.values)])
    lengths = np.diff(runs.run_ends.to_numpy(), prepend=0).astype("<u4")
    head = name.encode() + b"\0runs\0" + len(lengths).to_bytes(4, "little")
    return head + lengths.tobytes() + values if values else b""


def _plain(name: str, column: pa.Array, cuts: Sequence[int]) -> list[bytes]:
    if column.null_count == len(column):
        return [b""] * (len(cuts) - 1)
    kind, values = _values(column, cuts)
    head = name.encode() + b"\0" + kind + b"\0"
    if not column.null_count:
        head += _VALID
        return [head + value for value in values]
    marks = column.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8).tobytes()
    return [_with_nulls(head, marks[a:b], value) for (a, b), value in zip(pairwise(cuts), values, strict=True)]


def _with_nulls(head: bytes, marks: bytes, value: bytes) -> bytes:
    valid = marks.count(1)
    if not valid:
        return b""
    return head + _VALID + value if valid == len(marks) else head + _NULL + marks + value


def _values(column: pa.Array, cuts: Sequence[int]) -> tuple[bytes, list[bytes]]:
    kind = column.type
    if pa.types.is_list(kind):
        return _lists(column, cuts)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return (b"text" if pa.types.is_string(kind) else b"bytes"), _texts(column, cuts)
    if (numbers := _numbers(column)) is not None:
        name, array = numbers
        return name, _sliced(array.tobytes(), array.itemsize, cuts)
    said = [None if value is None else json.dumps(value, default=str, sort_keys=True) for value in column.to_pylist()]
    return b"json", _texts(pa.array(said, pa.string()), cuts)


def _numbers(column: pa.Array) -> tuple[bytes, NDArray[Any]] | None:
    kind = column.type
    filled = column.fill_null(False if pa.types.is_boolean(kind) else 0) if column.null_count else column
    if pa.types.is_boolean(kind):
        return b"bool", filled.cast(pa.uint8()).to_numpy()
    if pa.types.is_date32(kind):
        return b"date", filled.cast(pa.int32()).to_numpy()
    if pa.types.is_timestamp(kind):
        return b"time", filled.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).to_numpy()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = filled.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f" and np.isnan(values).any():
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)  # one bit pattern for every NaN
    return values.dtype.str.lstrip("<|=").encode(), values


def _sliced(data: bytes | memoryview, width: int, cuts: Sequence[int]) -> list[bytes]:
    return [bytes(data[a:b]) for a, b in pairwise(width * cut for cut in cuts)]


def _texts(column: pa.Array, cuts: Sequence[int]) -> list[bytes]:
    filled = column.fill_null("" if pa.types.is_string(column.type) else b"") if column.null_count else column
    _, offsets, data = filled.buffers()
    ends = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    lengths = _sliced(np.diff(ends).astype("<u4").tobytes(), 4, cuts)
    content = _sliced(memoryview(data or b""), 1, ends[np.asarray(cuts)].tolist())
    return [length + text for length, text in zip(lengths, content, strict=True)]


def _lists(column: pa.Array, cuts: Sequence[int]) -> tuple[bytes, list[bytes]]:
    lengths = pc.call_function("list_value_length", [column]).fill_null(0).to_numpy().astype("<u4")
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])[np.asarray(cuts)]
    items = _column("", column.flatten(), ends.tolist())
    told = _sliced(lengths.tobytes(), 4, cuts)
    return b"list", [length + item for length, item in zip(told, items, strict=True)]
