"""A hash of rows that depends on their values alone: not on row order, files, chunks, or the libraries' versions."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FORMAT = b"driftline rows 1\n"
KEY = ("event_time", "request_id", "row")


def row_hash(table: pa.Table) -> str:
    """sha256 (64 hex digits) of a table whose rows differ in (event_time, request_id, row).

    The rows are sorted by that key, the columns by name. The hash runs over `driftline rows 1\\n`, then per column:
    its name in UTF-8, a zero byte, its type's name (below), a zero byte, the number of rows as uint64, one byte per
    row (1 = valid, 0 = null), then the values, null as zero or empty. All numbers are little endian.

    * `int32`, `float32`, `float64`: the values; every NaN is the quiet NaN with an empty payload.
    * `time`: int64 microseconds since 1970 in UTC.
    * `bytes` and `text` (UTF-8): all lengths as uint32, then all bytes joined.

    Raises:
        TypeError: a column has another type.
    """
    digest = hashlib.sha256(FORMAT)
    rows = table.sort_by([(name, "ascending") for name in KEY])
    for name in sorted(rows.column_names):
        column = rows.column(name).combine_chunks()
        kind, content = _content(column)
        digest.update(name.encode() + b"\0" + kind + b"\0" + len(column).to_bytes(8, "little"))
        digest.update(column.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8).tobytes())
        digest.update(content)
    return digest.hexdigest()


def _content(column: pa.Array) -> tuple[bytes, bytes]:
    kind = column.type
    if kind == pa.int32():
        return b"int32", _numbers(column, "<i4").tobytes()
    if kind in (pa.float32(), pa.float64()):
        return (b"float32", _floats(column, "<f4")) if kind == pa.float32() else (b"float64", _floats(column, "<f8"))
    if pa.types.is_timestamp(kind):
        return b"time", _numbers(column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()), "<i8").tobytes()
    if kind in (pa.string(), pa.binary()):
        return b"text" if kind == pa.string() else b"bytes", _joined(column.cast(pa.binary()))
    raise TypeError(f"row_hash knows no column of type {kind}")


def _numbers(column: pa.Array, dtype: str) -> NDArray[Any]:
    filled = column.fill_null(0) if column.null_count else column
    values: NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return values.astype(dtype)


def _floats(column: pa.Array, dtype: str) -> bytes:
    values = _numbers(column, dtype)
    values[np.isnan(values)] = np.nan  # one bit pattern for every NaN
    return values.tobytes()


def _joined(column: pa.Array) -> bytes:
    filled = column.fill_null(b"")
    values: list[bytes] = filled.to_pylist()
    return np.fromiter(map(len, values), dtype="<u4", count=len(values)).tobytes() + b"".join(values)
