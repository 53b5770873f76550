"""A digest of rows that depends on their values and their order alone.

Not on files, compaction or columns that came later: a column that is null in all of the rows is left out. It is the
sha256 of `driftline rows 2\\n`, the number of rows as uint32, then per column, sorted by name: the name, a zero byte,
the kind, a zero byte, 0 (no null) or 1 and a bit per row (1 = valid, the first row's is the lowest of the first byte),
then the values, null as zero or empty. All numbers are little endian. Kinds: numpy's names of numbers (a NaN is the
quiet one), `date` (int32 days), `time` (int64 microseconds in UTC), `bool`, `text` and `bytes` (all lengths as uint32,
then all bytes), `list` (all lengths as uint32, then the items as a column), `json` for the rest (as text). A column
that is no floats, bytes or lists and has at most half as many runs of equal values as rows is of the kind `runs`: their
number and lengths as uint32, then a value of each as a column: most of what says where rows come from is the same for
all rows of a message. What lies in the memory of a null is no value: it differs from file to file and counts nowhere.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FORMAT = b"driftline rows 2\n"
_NULL, _VALID = b"\1", b"\0"
_PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}
Piece = bytes | memoryview


def digest(rows: pa.Table) -> bytes:
    """32 bytes for the rows."""
    found = hashlib.sha256(FORMAT + len(rows).to_bytes(4, "little"))
    for name in sorted(rows.column_names):
        for piece in _column(name, _in_one(rows.column(name))):
            found.update(piece)
    return found.digest()


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """The values in one piece, in their plain form."""
    plain = _decoded(column)
    return plain.chunk(0) if plain.num_chunks == 1 else plain.combine_chunks()


def _decoded(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    kind = _PLAIN.get(kind, kind)
    return column if kind == column.type else column.cast(kind)


def _column(name: str, column: pa.Array) -> Iterator[Piece]:
    """What stands for a column; nothing where all is null."""
    if column.null_count == len(column):
        return
    ends = _run_ends(column) if _may_run(column.type) else None
    if ends is None or 2 * len(ends) > len(column):
        yield from _plain(name, column)
        return
    lengths = np.diff(ends, prepend=0).astype("<u4")
    yield name.encode() + b"\0runs\0" + len(lengths).to_bytes(4, "little")
    yield lengths.data
    yield from _plain("", column.take(pa.array(ends - 1)))


def _may_run(kind: pa.DataType) -> bool:
    return not any(is_plain(kind) for is_plain in (pa.types.is_floating, pa.types.is_binary, pa.types.is_nested))


def _run_ends(column: pa.Array) -> NDArray[Any]:
    """Behind the last row of each run. Arrow compares what lies under nulls, so a value is put there."""
    if not column.null_count:
        return _changes(column)
    valid = column.is_valid()
    some = column[int(np.argmax(valid.to_numpy(zero_copy_only=False)))]
    return np.union1d(_changes(column.fill_null(some)), _changes(valid))


def _changes(column: pa.Array) -> NDArray[Any]:
    ends: NDArray[Any] = pc.call_function("run_end_encode", [column]).run_ends.to_numpy()
    return ends


def _plain(name: str, column: pa.Array) -> Iterator[Piece]:
    kind, values = _values(column)
    yield name.encode() + b"\0" + kind + b"\0" + (_NULL if column.null_count else _VALID)
    if column.null_count:
        yield np.packbits(column.is_valid().to_numpy(zero_copy_only=False), bitorder="little").data
    yield from values


def _values(column: pa.Array) -> tuple[bytes, Iterator[Piece]]:
    kind = column.type
    if pa.types.is_list(kind):
        return b"list", _list(column)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return (b"text" if pa.types.is_string(kind) else b"bytes"), _text(column)
    if (numbers := _numbers(column)) is not None:
        return numbers[0], iter([np.ascontiguousarray(numbers[1]).data])
    said = [None if value is None else json.dumps(value, default=str, sort_keys=True) for value in column.to_pylist()]
    return b"json", _text(pa.array(said, pa.string()))


def _numbers(column: pa.Array) -> tuple[bytes, NDArray[Any]] | None:
    kind = column.type
    if pa.types.is_boolean(kind):
        return b"bool", _filled(column.cast(pa.uint8()))
    if pa.types.is_date32(kind):
        return b"date", _filled(column.cast(pa.int32()))
    if pa.types.is_timestamp(kind):
        return b"time", _filled(column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()))
    if not (pa.types.is_integer(kind) or kind in (pa.float32(), pa.float64())):
        return None
    values = _filled(column)
    if values.dtype.kind == "f" and np.isnan(values).any():
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)  # one bit pattern for every NaN
    return values.dtype.str.lstrip("<|=").encode(), values


def _filled(column: pa.Array) -> NDArray[Any]:
    values: NDArray[Any] = (column.fill_null(0) if column.null_count else column).to_numpy()
    return values


def _text(column: pa.Array) -> Iterator[Piece]:
    filled = column.fill_null("" if pa.types.is_string(column.type) else b"") if column.null_count else column
    _, offsets, data = filled.buffers()
    ends = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    yield np.diff(ends).astype("<u4").data
    yield memoryview(data or b"")[int(ends[0]) : int(ends[-1])]


def _list(column: pa.Array) -> Iterator[Piece]:
    yield pc.call_function("list_value_length", [column]).fill_null(0).to_numpy().astype("<u4").data
    yield from _column("", _decoded(column.flatten()))
