"""The prediction batch: one Arrow IPC stream with one record batch per Kafka message (the hot path)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.arrow_ipc import read_record, write_record
from shared.definition import NAME
from shared.errors import Unreadable
from shared.failures import Failed, read_failures, write_failures
from shared.features import MISSING, Float32, Int32, Rows
from shared.later import Later

FORMAT = "1"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGEST = r"[0-9a-f]{64}"
# What the texts of a message's metadata must match: consumers make paths and table names of some of them.
TEXTS = {"model": NAME, "digest": _DIGEST, "definition_digest": _DIGEST, "role": "champion|canary|shadow"}
TEXTS["producer"] = r"\S{1,200}"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# Python's datetime and pyarrow's dates hold no others; NaT lies outside, too.
_FIRST, _LAST = (
    int(np.datetime64(time, "us").astype(np.int64)) for time in ("0001-01-01", "9999-12-31T23:59:59.999999")
)
_MOST_DIGITS = 18
_KEY, _TIME, _TEXT = pa.binary(16), pa.timestamp("us", "UTC"), pa.string()
_BOOL, _INT, _FLOAT = pa.bool_(), pa.int32(), pa.float32()
Role = Literal["champion", "canary", "shadow"]


def request_key(model: str, request_id: str) -> bytes:
    """The 16 bytes a request's id becomes: those of a UUID, else of sha256(model, 0x00, id)."""
    if _UUID.fullmatch(request_id):
        return bytes.fromhex(request_id.replace("-", ""))
    return hashlib.sha256(model.encode() + b"\0" + request_id.encode()).digest()[:16]


@dataclass(frozen=True)
class Meta:
    """What all rows of a message share. `sequence` and `rows_so_far` (this message's included) count per producer.

    `failed`: rows of the model, of any version, that got no answer since the producer's last message of it; None if the
    producer does not tell.
    """

    model: str
    digest: str
    definition_digest: str
    role: Role
    producer: str
    sequence: int
    rows_so_far: int
    failed: tuple[Failed, ...] | None = None


@dataclass(frozen=True)
class PredictionBatch:
    """n answered rows of one (bundle digest, role).

    `request_id` n times 16 bytes, `row` int32 [n], `entity` n strings or None, `event_time` datetime64[us] [n] UTC,
    `repeat` bool [n], `scores` float32 [n, k], `latency_us` int32 [n], `champion_scores` like scores, shadows only.
    `traceparent` n texts of the W3C trace context or None each; None if no row has one, and then there is no column.
    """

    meta: Meta
    request_id: Sequence[bytes]
    row: NDArray[np.int32]
    entity: Sequence[str | None]
    event_time: NDArray[np.datetime64]
    repeat: NDArray[np.bool_]
    rows: Rows
    scores: Float32
    latency_us: NDArray[np.int32]
    champion_scores: Float32 | None = None
    traceparent: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "PredictionBatch":
        """The rows chosen, bool [n], with the metadata of all."""
        kept = np.flatnonzero(chosen).tolist()
        shadow, traces = self.champion_scores, self.traceparent
        return replace(
            self,
            request_id=[self.request_id[at] for at in kept],
            row=self.row[chosen],
            entity=[self.entity[at] for at in kept],
            event_time=self.event_time[chosen],
            repeat=self.repeat[chosen],
            rows=self.rows[chosen],
            scores=self.scores[chosen],
            latency_us=self.latency_us[chosen],
            champion_scores=None if shadow is None else shadow[chosen],
            traceparent=None if traces is None else [traces[at] for at in kept],
        )


def fixed(block: Float32 | Int32) -> pa.FixedSizeListArray:
    """A block [n, k] as a column of lists."""
    flat = pa.array(np.ascontiguousarray(block).reshape(-1))
    kind = pa.list_(flat.type, block.shape[1])
    # from_arrays can't tell the length of a list of width 0
    return pa.FixedSizeListArray.from_buffers(kind, len(block), [None], children=[flat])


def _from_bytes(kind: pa.DataType, content: bytes | memoryview) -> pa.Array:
    """Of values that all take the same number of bytes, as they stand in these."""
    count, left = divmod(len(content), kind.byte_width)
    if left:
        raise ValueError(f"{len(content)} bytes are no values of {kind}")
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(content)])


def encode_batch(batch: PredictionBatch) -> bytes:
    """The Kafka value of a batch."""
    times = np.ascontiguousarray(batch.event_time, "datetime64[us]").view(np.uint8)
    columns: dict[str, pa.Array] = {
        "request_id": _from_bytes(_KEY, b"".join(batch.request_id)),
        "row": pa.array(batch.row),
        "entity": pa.array(list(batch.entity), _TEXT),
        "event_time": _from_bytes(_TIME, times.data),
        "repeat": pa.array(batch.repeat),
        "numeric": fixed(batch.rows.numeric),
        "categorical": fixed(batch.rows.categorical),
        "scores": fixed(batch.scores),
        "latency_us": pa.array(batch.latency_us),
    }
    if batch.champion_scores is not None:
        columns["champion_scores"] = fixed(batch.champion_scores)
    if batch.traceparent is not None:
        columns["traceparent"] = pa.array(batch.traceparent, _TEXT)
    told = {name: str(value) for name, value in vars(batch.meta).items() if name != "failed"}
    failed = {} if batch.meta.failed is None else {"failed": write_failures(batch.meta.failed)}
    metadata = {"format": FORMAT, **told, **failed}
    record = pa.record_batch(list(columns.values()), names=list(columns))
    return write_record(record.replace_schema_metadata(metadata))


def decode_batch(value: bytes) -> PredictionBatch:
    """The batch in a Kafka value.

    Raises:
        Unreadable: not an Arrow stream of one uncompressed batch; a column or metadata entry is missing, of another
            type or out of bounds; a null where none is allowed; an infinite feature.
    """
    try:
        record = read_record(value)
        schema = record.schema
        columns = dict(zip(schema.names, record.columns, strict=True))
        if len(columns) != len(schema):
            twice = sorted(name for name in columns if schema.names.count(name) > 1)
            raise Unreadable(f"prediction batch: column {', '.join(twice)} is there twice")
        return _batch(_read_meta(schema.metadata), columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"prediction batch: {error}") from error
    except KeyError as error:
        raise Unreadable(f"prediction batch: column {error} is missing") from error


def _read_meta(metadata: dict[bytes, bytes] | None) -> Meta:
    told = metadata or {}
    if told.get(b"format") != FORMAT.encode():
        raise Unreadable(f"prediction batch: metadata `format` must be {FORMAT}")
    texts = _read_texts(*(told.get(name.encode(), b"") for name in TEXTS))
    failed = read_failures(told[b"failed"]) if b"failed" in told else None
    return Meta(**texts, sequence=_whole("sequence", told), rows_so_far=_whole("rows_so_far", told), failed=failed)


@lru_cache(maxsize=1024)  # most messages have the texts of one before
def _read_texts(*values: bytes) -> dict[str, Any]:
    texts = {name: value.decode() for name, value in zip(TEXTS, values, strict=True)}
    for name, pattern in TEXTS.items():
        if not re.fullmatch(pattern, texts[name]):
            raise Unreadable(f"prediction batch: metadata `{name}` must match {pattern}")
    return texts


def _whole(name: str, told: dict[bytes, bytes]) -> int:
    text = told.get(name.encode(), b"")
    if not (text.isdigit() and len(text) <= _MOST_DIGITS):  # bytes: these are 0 to 9 alone
        raise Unreadable(f"prediction batch: metadata `{name}` must be a whole number of at most {_MOST_DIGITS} digits")
    return int(text)


def _batch(meta: Meta, columns: dict[str, pa.Array]) -> PredictionBatch:
    shadow, traces = columns.get("champion_scores"), columns.get("traceparent")
    batch = PredictionBatch(
        meta=meta,
        request_id=_later("request_id", columns["request_id"], _KEY),
        row=_plain("row", columns["row"], _INT),
        entity=_later("entity", columns["entity"], _TEXT, nulls=True),
        event_time=_plain("event_time", columns["event_time"], _TIME).astype("datetime64[us]"),
        repeat=_plain("repeat", columns["repeat"], _BOOL),
        rows=Rows(_block("numeric", columns["numeric"], _FLOAT), _block("categorical", columns["categorical"], _INT)),
        scores=_block("scores", columns["scores"], _FLOAT),
        latency_us=_plain("latency_us", columns["latency_us"], _INT),
        champion_scores=None if shadow is None else _block("champion_scores", shadow, _FLOAT),
        traceparent=None if traces is None else list(_later("traceparent", traces, _TEXT, nulls=True)),
    )
    _check_values(batch)
    return batch


def _later(name: str, column: pa.Array, kind: pa.DataType, *, nulls: bool = False) -> Later[Any]:
    if column.type != kind or (column.null_count and not nulls):
        raise Unreadable(f"prediction batch: column `{name}` must be {kind}{'' if nulls else ' without nulls'}")
    return Later(column)


def _plain(name: str, column: pa.Array, kind: pa.DataType) -> NDArray[Any]:
    if column.type != kind or column.null_count:
        raise Unreadable(f"prediction batch: column `{name}` must be {kind} without nulls")
    return cast("NDArray[Any]", column.to_numpy(zero_copy_only=False))


def _block(name: str, column: pa.Array, kind: pa.DataType) -> NDArray[Any]:
    fixed = pa.types.is_fixed_size_list(column.type) and column.type.value_type == kind
    flat = column.values if fixed else None  # what `flatten` gives, but that costs ten times as much
    if flat is None or column.null_count or flat.null_count:
        raise Unreadable(f"prediction batch: column `{name}` must be lists of fixed size of {kind} without nulls")
    return cast("NDArray[Any]", flat.to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size))


def _check_values(batch: PredictionBatch) -> None:
    ticks, pairs = batch.event_time.view(np.int64), batch.champion_scores
    traces = {trace for trace in batch.traceparent or () if trace is not None}
    for name, wrong in (
        ("row: must not be negative", _least(batch.row) < 0),
        ("event_time: must lie in the years 1 to 9999", _least(ticks) < _FIRST or ticks.max(initial=0) > _LAST),
        ("numeric: must not be infinite", np.isinf(batch.rows.numeric).any()),
        (f"categorical: codes are at least {MISSING}", _least(batch.rows.categorical) < MISSING),
        ("champion_scores: must be as many as scores", pairs is not None and pairs.shape != batch.scores.shape),
        ("traceparent: must be that of a W3C trace context", not all(map(_TRACEPARENT.fullmatch, traces))),
    ):
        if wrong:
            raise Unreadable(f"prediction batch: column {name}")


def _least(values: NDArray[Any]) -> int:
    """The least of whole numbers and 0."""
    return int(np.minimum.reduce(values, axis=None, initial=0))
