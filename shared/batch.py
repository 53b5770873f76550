"""The prediction batch: one Arrow IPC stream with one record batch per Kafka message (the hot path)."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.errors import Unreadable
from shared.features import Float32, Rows

FORMAT = "1"
Role = Literal["champion", "canary", "shadow"]


def request_key(model: str, request_id: str) -> bytes:
    """The 16 bytes a request's id becomes: those of a UUID, else of sha256(model, 0x00, id)."""
    try:
        return uuid.UUID(request_id).bytes if len(request_id) == 36 else _hashed(model, request_id)
    except ValueError:
        return _hashed(model, request_id)


def _hashed(model: str, request_id: str) -> bytes:
    return hashlib.sha256(model.encode() + b"\0" + request_id.encode()).digest()[:16]


@dataclass(frozen=True)
class Meta:
    """What all rows of a message share. `sequence` and `rows_so_far` (this message's included) count per producer."""

    model: str
    digest: str
    definition_digest: str
    role: Role
    producer: str
    sequence: int
    rows_so_far: int


@dataclass(frozen=True)
class PredictionBatch:
    """n answered rows of one (bundle digest, role).

    `request_id` n times 16 bytes, `row` int32 [n], `entity` n strings or None, `event_time` datetime64[us] [n] UTC,
    `repeat` bool [n], `scores` float32 [n, k], `latency_us` int32 [n], `champion_scores` like scores, shadows only.
    """

    meta: Meta
    request_id: list[bytes]
    row: NDArray[np.int32]
    entity: list[str | None]
    event_time: NDArray[np.datetime64]
    repeat: NDArray[np.bool_]
    rows: Rows
    scores: Float32
    latency_us: NDArray[np.int32]
    champion_scores: Float32 | None = None

    def __len__(self) -> int:
        return len(self.row)


def _fixed(block: NDArray[np.float32] | NDArray[np.int32]) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(block).reshape(-1))
    kind = pa.list_(flat.type, block.shape[1])
    # from_arrays can't tell the length of a list of width 0
    return pa.FixedSizeListArray.from_buffers(kind, len(block), [None], children=[flat])


def _block(column: pa.FixedSizeListArray) -> NDArray[np.float32]:
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return cast(NDArray[np.float32], flat.reshape(len(column), column.type.list_size))


def encode_batch(batch: PredictionBatch) -> bytes:
    """The Kafka value of a batch."""
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(batch.request_id, pa.binary(16)),
        "row": pa.array(batch.row),
        "entity": pa.array(batch.entity, pa.string()),
        "event_time": pa.array(batch.event_time, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "repeat": pa.array(batch.repeat),
        "numeric": _fixed(batch.rows.numeric),
        "categorical": _fixed(batch.rows.categorical),
        "scores": _fixed(batch.scores),
        "latency_us": pa.array(batch.latency_us),
    }
    if batch.champion_scores is not None:
        columns["champion_scores"] = _fixed(batch.champion_scores)
    metadata = {"format": FORMAT, **{name: str(value) for name, value in vars(batch.meta).items()}}
    record = pa.record_batch(list(columns.values()), names=list(columns)).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema) as writer:
        writer.write_batch(record)
    return cast(bytes, sink.getvalue().to_pybytes())


def _read_meta(metadata: dict[bytes, bytes] | None) -> Meta:
    text = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
    if text.pop("format", None) != FORMAT:
        raise Unreadable(f"prediction batch: metadata `format` must be {FORMAT}")
    try:
        numbers = {name: int(text.pop(name)) for name in ("sequence", "rows_so_far")}
        meta = Meta(**text, **numbers)  # type: ignore[arg-type]  # wrong names raise TypeError
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"prediction batch: metadata {error}") from error
    if meta.role not in ("champion", "canary", "shadow"):
        raise Unreadable(f"prediction batch: role {meta.role!r} is none of champion, canary, shadow")
    return meta


def decode_batch(value: bytes) -> PredictionBatch:
    """The batch in a Kafka value.

    Raises:
        Unreadable: not an Arrow stream of one batch, or a column or metadata entry is missing or of another type.
    """
    try:
        with pa.ipc.open_stream(value) as reader:
            record = reader.read_next_batch()
        record.validate(full=True)
        meta = _read_meta(record.schema.metadata)
        return _columns(meta, {name: record.column(name) for name in record.schema.names})
    except (pa.ArrowException, StopIteration, OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"prediction batch: {error}") from error
    except (KeyError, AttributeError, ValueError) as error:
        raise Unreadable(f"prediction batch: column {error}") from error


def _columns(meta: Meta, columns: dict[str, pa.Array]) -> PredictionBatch:
    def flat(name: str, kind: pa.DataType) -> NDArray[np.int32]:
        if columns[name].type != kind or columns[name].null_count:
            raise Unreadable(f"prediction batch: column {name} must be {kind} without nulls")
        return cast(NDArray[np.int32], columns[name].to_numpy(zero_copy_only=False))

    if columns["request_id"].type != pa.binary(16) or columns["request_id"].null_count:
        raise Unreadable("prediction batch: column request_id must be 16 bytes without nulls")
    shadow = columns.get("champion_scores")
    return PredictionBatch(
        meta=meta,
        request_id=columns["request_id"].to_pylist(),
        row=flat("row", pa.int32()),
        entity=columns["entity"].to_pylist(),
        event_time=flat("event_time", pa.timestamp("us", "UTC")).astype("datetime64[us]"),
        repeat=flat("repeat", pa.bool_()).astype(np.bool_),
        rows=Rows(_block(columns["numeric"]), _block(columns["categorical"]).astype(np.int32)),
        scores=_block(columns["scores"]),
        latency_us=flat("latency_us", pa.int32()),
        champion_scores=None if shadow is None else _block(shadow),
    )
