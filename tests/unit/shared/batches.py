"""A small prediction batch, and ways to write it wrongly."""

from typing import Any

import numpy as np
import pyarrow as pa

from shared.arrow_ipc import write_record
from shared.batch import Meta, PredictionBatch, encode_batch
from shared.features import Float32, Rows

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
META = Meta("flights", "a" * 64, "b" * 64, "shadow", "producer-1", 3, 40)


def batch(rows: int = 5, numeric: int = 3, categorical: int = 2, scores: int = 1) -> PredictionBatch:
    """A shadow's batch; every second row has an entity."""
    generator = np.random.default_rng(7)

    def floats(width: int) -> Float32:
        return generator.random((rows, width), dtype=np.float32)

    return PredictionBatch(
        meta=META,
        request_id=[bytes([number % 256]) * 16 for number in range(rows)],
        row=np.arange(rows, dtype=np.int32),
        entity=["N14228" if number % 2 else None for number in range(rows)],
        event_time=np.datetime64("2013-03-01T05:15", "us") + np.arange(rows) * np.timedelta64(1, "s"),
        repeat=np.arange(rows) % 3 == 0,
        rows=Rows(floats(numeric), generator.integers(-2, 4, (rows, categorical), dtype=np.int32)),
        scores=floats(scores),
        latency_us=np.full(rows, 250, np.int32),
        champion_scores=floats(scores),
    )


def record(**changed: pa.Array | None) -> pa.RecordBatch:
    """The record batch of `batch()` with columns replaced, or left out where None is given."""
    whole = pa.ipc.open_stream(encode_batch(batch())).read_next_batch()
    columns: dict[str, Any] = {name: whole.column(name) for name in whole.schema.names}
    kept = {name: column for name, column in (columns | changed).items() if column is not None}
    made = pa.record_batch(list(kept.values()), names=list(kept))
    return made.replace_schema_metadata(whole.schema.metadata)


def with_columns(**changed: pa.Array | None) -> bytes:
    """The message of `record(**changed)`."""
    return write_record(record(**changed))


def with_metadata(**changed: str | None) -> bytes:
    """The message of `batch()` with metadata entries replaced, or left out where None is given."""
    whole = record()
    told = {key.decode(): value.decode() for key, value in whole.schema.metadata.items()} | changed
    return write_record(whole.replace_schema_metadata({key: text for key, text in told.items() if text is not None}))


def same(left: PredictionBatch, right: PredictionBatch) -> None:
    """Two batches are equal in all they hold."""
    for name, value in vars(left).items():
        other = getattr(right, name)
        if isinstance(value, Rows):
            np.testing.assert_array_equal(value.numeric, other.numeric, strict=True)
            np.testing.assert_array_equal(value.categorical, other.categorical, strict=True)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other, strict=True)
        else:
            assert value == other
