"""Pairs as messages on driftline.outcomes: the same rows give the same bytes, however often they are sent."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.batch import Meta
from shared.feature_log.schema import app_id
from shared.features import Float32
from shared.kafka.admin import OUTCOMES
from shared.kafka.message import OutMessage
from shared.outcomes import OutcomeBatch, encode_outcomes

# A message of predictions or labels may bring more than a message of outcomes can hold, where scores are wide.
PART_BYTES = 700_000
# A message's sequence is its trigger's offset times this, and the number of its part.
PARTS = 1_000
_ROW_BYTES = 80  # but for the scores
_ORDER = ("trigger_topic", "trigger_partition", "trigger_offset", "bundle_digest", "role")
_WIDTH = "width"


def outcome_messages(model: str, pairs: pa.Table) -> list[OutMessage]:
    """The messages that `pairs` (OUTCOMES) make: those of a trigger together, in the order of each partition.

    All that one source partition's messages bring goes to one partition of the topic, for their key is the same.
    """
    ordered = pairs.sort_by([(name, "ascending") for name in (*_ORDER, "number")]).combine_chunks()
    triggers = _runs(ordered, _ORDER)
    return [_message(model, rows, part) for of_trigger in triggers for part, rows in enumerate(_parts(of_trigger))]


def _runs(ordered: pa.Table, names: Sequence[str]) -> Iterator[pa.Table]:
    """Rows after one another that are alike in these columns."""
    changes = np.zeros(len(ordered), np.bool_)
    for name in names:
        column = ordered.column(name)
        changes[1:] |= pc.call_function("not_equal", [column.slice(1), column.slice(0, max(0, len(column) - 1))])
    bounds = [0, *np.flatnonzero(changes).tolist(), len(ordered)]
    for first, last in pairwise(bounds):
        if last > first:
            yield ordered.slice(first, last - first)


def _parts(of_trigger: pa.Table) -> Iterator[pa.Table]:
    """Rows that fit into a message: not too many, and with as many scores each."""
    widths = pc.call_function("list_value_length", [of_trigger.column("scores")])
    for rows in _runs(of_trigger.append_column(_WIDTH, widths), [_WIDTH]):
        size = max(1, PART_BYTES // (_ROW_BYTES + 8 * rows.column(_WIDTH)[0].as_py()))
        for first in range(0, len(rows), size):
            yield rows.slice(first, size)


def _message(model: str, rows: pa.Table, part: int) -> OutMessage:
    first, last = rows.slice(0, 1).to_pylist()[0], len(rows) - 1
    producer = app_id(first["trigger_topic"], first["trigger_partition"])
    meta = Meta(
        model=model,
        digest=first["bundle_digest"],
        definition_digest=first["definition_digest"],
        role=first["role"],
        producer=producer,
        sequence=first["trigger_offset"] * PARTS + part,
        rows_so_far=rows.column("number")[last].as_py(),
    )
    return OutMessage(OUTCOMES, encode_outcomes(_batch(meta, rows)), key=producer.encode())


def _batch(meta: Meta, rows: pa.Table) -> OutcomeBatch:
    shadowed = meta.role == "shadow" and not rows.column("champion_scores").null_count
    return OutcomeBatch(
        meta=meta,
        request_id=rows.column("request_id").to_pylist(),
        row=rows.column("row").to_numpy(),
        event_time=rows.column("event_time").to_numpy().astype("datetime64[us]"),
        label=rows.column("label").to_numpy(),
        label_time=rows.column("label_time").to_numpy().astype("datetime64[us]"),
        business=rows.column("business").to_numpy(),
        replaced=rows.column("replaced").to_numpy(),
        scores=_block(rows, "scores"),
        source_partition=rows.column("source_partition").to_numpy(),
        source_offset=rows.column("source_offset").to_numpy(),
        champion_scores=_block(rows, "champion_scores") if shadowed else None,
    )


def _block(rows: pa.Table, name: str) -> Float32:
    flat: Float32 = rows.column(name).combine_chunks().flatten().to_numpy()
    return flat.reshape(len(rows), -1)
