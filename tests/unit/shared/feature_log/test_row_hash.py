"""The row hash is what its docstring says, byte for byte."""

import hashlib
import struct
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from shared.feature_log.row_hash import row_hash

TIME = pa.timestamp("us", "UTC")


def table(order: list[int]) -> pa.Table:
    times = [datetime(1970, 1, 1, 0, 0, second, tzinfo=UTC) for second in (1, 2)]
    columns = {
        "request_id": pa.array([b"a" * 16, b"b" * 16], pa.binary()),
        "row": pa.array([0, 1], pa.int32()),
        "event_time": pa.array(times, TIME),
        "origin": pa.array([None, "Zürich"], pa.string()),
        "wind": pa.array([1.5, None], pa.float32()),
        "label": pa.array([np.nan, 2.0], pa.float64()),
    }
    return pa.table(columns).take(order)


def by_the_docstring() -> str:
    two = struct.pack("<Q", 2)
    zurich = "Zürich".encode()
    parts = [
        b"driftline rows 1\n",
        b"event_time\0time\0" + two + b"\1\1" + struct.pack("<qq", 1_000_000, 2_000_000),
        b"label\0float64\0" + two + b"\1\1" + bytes.fromhex("000000000000f87f") + struct.pack("<d", 2.0),
        b"origin\0text\0" + two + b"\0\1" + struct.pack("<II", 0, len(zurich)) + zurich,
        b"request_id\0bytes\0" + two + b"\1\1" + struct.pack("<II", 16, 16) + b"a" * 16 + b"b" * 16,
        b"row\0int32\0" + two + b"\1\1" + struct.pack("<ii", 0, 1),
        b"wind\0float32\0" + two + b"\1\0" + struct.pack("<ff", 1.5, 0.0),
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_hash_is_the_documented_one_in_any_order_and_chunking() -> None:
    assert row_hash(table([0, 1])) == by_the_docstring()
    assert row_hash(table([1, 0])) == by_the_docstring()
    assert row_hash(pa.concat_tables([table([1]), table([0])])) == by_the_docstring()


@pytest.mark.parametrize("column", ["row", "event_time", "origin", "wind", "label", "request_id"])
def test_every_column_counts(column: str) -> None:
    rows = table([0, 1])
    swapped = rows.column(column).take([1, 0])
    assert row_hash(rows.set_column(rows.column_names.index(column), column, swapped)) != row_hash(rows)


def test_null_and_nan_and_empty_are_told_apart() -> None:
    def one(values: pa.Array) -> str:
        return row_hash(table([0]).append_column("x", values))

    hashes = {one(pa.array([value], pa.float32())) for value in (None, np.nan, 0.0)}
    assert len(hashes) == 3
    assert one(pa.array([None], pa.string())) != one(pa.array([""], pa.string()))


def test_a_type_it_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="bool"):
        row_hash(table([0]).append_column("x", pa.array([True])))
