"""Pairs as messages on driftline.outcomes: the same rows give the same bytes, however often they are sent."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shared.batch import Meta
from shared.feature_log.schema import app_id
from shared.kafka.admin import OUTCOMES
from shared.kafka.message import OutMessage
from shared.outcomes import OutcomeBatch, encode_outcomes

# A message of predictions or labels may bring more than a message of outcomes can hold, where scores are wide.
PART_BYTES = 700_000
# A message's sequence is its trigger's offset times this, and the number of its part.
PARTS = 1_000
_ROW_BYTES = 80  # but for the scores
_ORDER = ("trigger_topic", "trigger_partition", "trigger_offset", "bundle_digest", "role")
# Each read once for all messages, which are mostly small; by name an array of the rows.
_Columns = dict[str, NDArray[Any]]


def outcome_messages(model: str, pairs: pa.Table) -> list[OutMessage]:
    """The messages that `pairs` (OUTCOMES) make: those of a trigger together, in the order of each partition.

    All that one source partition's messages bring goes to one partition of the topic, for their key is the same.
    """
    ordered = pairs.sort_by([(name, "ascending") for name in (*_ORDER, "number")]).combine_chunks()
    columns = {name: ordered.column(name).to_numpy(zero_copy_only=False) for name in ordered.column_names}
    widths = pc.call_function("list_value_length", [ordered.column("scores")]).to_numpy()
    return [_message(_batch(model, columns, rows, part)) for rows, part in _parts(columns, widths)]


def _parts(columns: _Columns, widths: NDArray[np.int32]) -> Iterator[tuple[slice, int]]:
    """Rows of one trigger that fit into a message, with as many scores each; and the number of their part."""
    triggers = np.logical_or.reduce([_begins(columns[name]) for name in _ORDER])
    part = 0
    for first, last in pairwise([*np.flatnonzero(triggers | _begins(widths)).tolist(), len(widths)]):
        part = 0 if triggers[first] else part
        size = max(1, PART_BYTES // (_ROW_BYTES + 8 * int(widths[first])))
        for start in range(first, last, size):
            yield slice(start, min(start + size, last)), part
            part += 1


def _begins(column: NDArray[Any]) -> NDArray[np.bool_]:
    """The first of rows after one another that are alike."""
    begins = np.ones(len(column), np.bool_)
    begins[1:] = column[1:] != column[:-1]
    return begins


def _message(batch: OutcomeBatch) -> OutMessage:
    return OutMessage(OUTCOMES, encode_outcomes(batch), key=batch.meta.producer.encode())


def _batch(model: str, columns: _Columns, rows: slice, part: int) -> OutcomeBatch:
    of = {name: column[rows] for name, column in columns.items()}
    shadowed = of["role"][0] == "shadow" and all(scores is not None for scores in of["champion_scores"])
    return OutcomeBatch(
        meta=_meta(model, of, part),
        request_id=of["request_id"].tolist(),
        row=of["row"],
        event_time=of["event_time"],
        label=of["label"],
        label_time=of["label_time"],
        business=of["business"],
        replaced=of["replaced"],
        scores=np.stack(of["scores"].tolist()),
        source_partition=of["source_partition"],
        source_offset=of["source_offset"],
        champion_scores=np.stack(of["champion_scores"].tolist()) if shadowed else None,
    )


def _meta(model: str, of: _Columns, part: int) -> Meta:
    return Meta(
        model=model,
        digest=of["bundle_digest"][0],
        definition_digest=of["definition_digest"][0],
        role=of["role"][0],
        producer=app_id(of["trigger_topic"][0], of["trigger_partition"][0]),
        sequence=int(of["trigger_offset"][0]) * PARTS + part,
        rows_so_far=int(of["number"][-1]),
    )
