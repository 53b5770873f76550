"""The outcome batch: predictions with the labels that came for them, one Arrow IPC stream per Kafka message.

Whoever writes it (feature_logging) joins each label with its prediction once, whichever came first. A message holds the
rows of one (bundle digest, role) that one message of a source partition brought, or a part of them where they are many
and their scores wide. Of one `producer` (a source partition,
such as driftline.labels/2), digest and role the sequences grow, in one partition of the topic: a message whose
sequence does not is a repeat and is not counted. A later label for the same row and kind is a correction, which says
what it replaces, so that a reader needs to keep sums only and no rows. A label that does not count (no value of the
definition's kind, or older than its prediction) is no outcome: it neither is sent nor replaces one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.arrow_columns import KEY, TIME, Columns
from shared.arrow_ipc import read_record, write_record
from shared.batch import TEXTS, Meta, fixed
from shared.errors import Unreadable
from shared.features import Float32

FORMAT = "1"
WHAT = "outcome batch"
_COUNT = r"[0-9]{1,18}"
_NUMBERS = {"sequence": _COUNT, "rows_so_far": _COUNT}
_METADATA = {"format": FORMAT, **TEXTS, **_NUMBERS}


@dataclass(frozen=True)
class OutcomeBatch:
    """n labels, each with its prediction, of one (bundle digest, role).

    `request_id` n times 16 bytes, `row` int32 [n], `event_time` (of the prediction) and `label_time` (when the label
    came true) datetime64[us] [n] UTC, `label` float64 [n], `business` bool [n] (a business outcome, not the label that
    the model predicts), `replaced` float64 [n] (the label that a correction takes back; NaN: there was none), `scores`
    float32 [n, k]. `source_partition` int32 [n] and `source_offset` int64 [n]: where the prediction stands in
    driftline.predictions, so that a reader of both topics can wait for it. `champion_scores` like scores, shadows only.
    `meta.rows_so_far` counts rows of this producer, this message's included.
    """

    meta: Meta
    request_id: list[bytes]
    row: NDArray[np.int32]
    event_time: NDArray[np.datetime64]
    label: NDArray[np.float64]
    label_time: NDArray[np.datetime64]
    business: NDArray[np.bool_]
    replaced: NDArray[np.float64]
    scores: Float32
    source_partition: NDArray[np.int32]
    source_offset: NDArray[np.int64]
    champion_scores: Float32 | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def correction(self) -> NDArray[np.bool_]:
        """Which labels replace one that came before, bool [n]."""
        return ~np.isnan(self.replaced)


def encode_outcomes(batch: OutcomeBatch) -> bytes:
    """The Kafka value of a batch."""
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(batch.request_id, KEY),
        "row": pa.array(batch.row),
        "event_time": pa.array(batch.event_time, pa.timestamp("us")).cast(TIME),
        "label": pa.array(batch.label),
        "label_time": pa.array(batch.label_time, pa.timestamp("us")).cast(TIME),
        "business": pa.array(batch.business),
        "replaced": pa.array(batch.replaced, mask=~batch.correction),
        "scores": fixed(batch.scores),
        "source_partition": pa.array(batch.source_partition),
        "source_offset": pa.array(batch.source_offset),
    }
    if batch.champion_scores is not None:
        columns["champion_scores"] = fixed(batch.champion_scores)
    metadata = {"format": FORMAT, **{name: str(getattr(batch.meta, name)) for name in (*TEXTS, *_NUMBERS)}}
    record = pa.record_batch(list(columns.values()), names=list(columns))
    return write_record(record.replace_schema_metadata(metadata))


def decode_outcomes(value: bytes) -> OutcomeBatch:
    """The batch in a Kafka value.

    Raises:
        Unreadable: not an Arrow stream of one uncompressed batch; a column or metadata entry is missing, of another
            type or out of bounds; a null where none is allowed; a label that is not finite.
    """
    try:
        record = read_record(value)
        meta = _read_meta(record.schema.metadata or {})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"{WHAT}: {error}") from error
    batch = _batch(meta, Columns(WHAT, record), paired="champion_scores" in record.schema.names)
    _check_values(batch)
    return batch


def _batch(meta: Meta, columns: Columns, *, paired: bool) -> OutcomeBatch:
    return OutcomeBatch(
        meta=meta,
        request_id=columns.plain("request_id", KEY).tolist(),
        row=columns.plain("row", pa.int32()),
        event_time=columns.times("event_time"),
        label=columns.plain("label", pa.float64()),
        label_time=columns.times("label_time"),
        business=columns.plain("business", pa.bool_()),
        replaced=columns.numbers("replaced"),
        scores=columns.block("scores", pa.float32()),
        source_partition=columns.plain("source_partition", pa.int32()),
        source_offset=columns.plain("source_offset", pa.int64()),
        champion_scores=columns.block("champion_scores", pa.float32()) if paired else None,
    )


def _read_meta(metadata: Mapping[bytes, bytes]) -> Meta:
    told = {key.decode(): value.decode() for key, value in metadata.items()}
    for name, pattern in _METADATA.items():
        if not re.fullmatch(pattern, told.get(name, "")):
            raise Unreadable(f"{WHAT}: metadata `{name}` must match {pattern}")
    texts: dict[str, Any] = {name: told[name] for name in TEXTS}
    return Meta(**texts, sequence=int(told["sequence"]), rows_so_far=int(told["rows_so_far"]))


def _check_values(batch: OutcomeBatch) -> None:
    pairs = batch.champion_scores
    for name, wrong in (
        ("row: must not be negative", np.any(batch.row < 0)),
        ("label: must be finite", not np.isfinite(batch.label).all()),
        ("replaced: must be finite, or null", np.any(np.isinf(batch.replaced))),
        ("scores: must not be infinite", np.any(np.isinf(batch.scores))),
        ("source_partition: must not be negative", np.any(batch.source_partition < 0)),
        ("source_offset: must not be negative", np.any(batch.source_offset < 0)),
        ("champion_scores: must be as many as scores", pairs is not None and pairs.shape != batch.scores.shape),
        ("champion_scores: must not be infinite", pairs is not None and np.any(np.isinf(pairs))),
    ):
        if wrong:
            raise Unreadable(f"{WHAT}: column {name}")
