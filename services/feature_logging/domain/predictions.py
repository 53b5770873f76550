"""Prediction batches as rows of the table `predictions`, those of many messages at once."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.feature_logging.domain.origin import Origin, source_columns
from services.feature_logging.domain.quality import flags
from shared.batch import PredictionBatch
from shared.definition import ModelDefinition
from shared.errors import Unreadable
from shared.feature_log.schema import PREDICTIONS, SCORES, TIME, plain_features
from shared.features import MISSING, Float32, Rows
from shared.later import column_of

Number = TypeVar("Number", np.float32, np.int32)
Categories = Mapping[str, Sequence[str]]


class Message(NamedTuple):
    """A batch and where it came from. `again`: `_rejected` has told its producer's number already, so that its rows do
    not, and it is counted once.
    """

    batch: PredictionBatch
    origin: Origin
    again: bool = False


def check_batch(batch: PredictionBatch, definition: ModelDefinition, categories: Categories, scores: int) -> None:
    """What `prediction_rows` needs of each batch that `decode_batch` gave; `scores` of its bundle per row.

    Raises:
        Unreadable: the batch has no rows, belongs to another model, or its blocks do not fit the definition.
    """
    if not len(batch):
        raise Unreadable("prediction batch: no rows")
    if batch.meta.model != definition.name:
        raise Unreadable(f"prediction batch: its bundle is of model {definition.name}, not {batch.meta.model}")
    if batch.meta.definition_digest != definition.digest:
        raise Unreadable("prediction batch: definition_digest is not that of its bundle")
    _width("numeric", batch.rows.numeric, len(definition.numeric))
    _width("categorical", batch.rows.categorical, len(definition.categorical))
    _width("scores", batch.scores, scores)
    _check_codes(batch.rows.categorical, definition, categories)


def _width(name: str, block: NDArray[np.float32] | NDArray[np.int32], expected: int) -> None:
    dtype = np.dtype(np.int32 if name == "categorical" else np.float32)
    if block.shape[1] != expected or block.dtype != dtype:
        raise Unreadable(
            f"prediction batch: {name} must be {expected} {dtype} per row, not {block.shape[1]} {block.dtype}"
        )


def _check_codes(codes: NDArray[np.int32], definition: ModelDefinition, categories: Categories) -> None:
    least, greatest = codes.min(axis=0).tolist(), codes.max(axis=0).tolist()
    for name, low, high in zip(definition.categorical, least, greatest, strict=True):
        if low < MISSING or high >= len(categories[name]):
            raise Unreadable(f"prediction batch: a code of {name} is outside its {len(categories[name])} categories")


def prediction_rows(messages: Sequence[Message], definition: ModelDefinition, categories: Categories) -> pa.Table:
    """The rows of messages of one bundle, each checked: own columns, then the features by name, missing and unseen
    values null, and `flags`. They are in the order of their places in Kafka, as the proof of the log needs them.
    """
    messages = sorted(messages, key=lambda message: (message.origin.partition, message.origin.offset))
    batches = [message.batch for message in messages]
    columns = _own(batches) | _of_messages(batches, {at for at, message in enumerate(messages) if message.again})
    columns |= source_columns([message.origin for message in messages], list(map(len, batches)))
    numeric = _turned([batch.rows.numeric for batch in batches])
    codes = _turned([batch.rows.categorical for batch in batches])
    for name, values in zip(definition.numeric, numeric, strict=True):
        columns[name] = _floats(values)
    for name, of_rows in zip(definition.categorical, codes, strict=True):
        columns[name] = pa.array(categories[name], pa.string()).take(pa.array(of_rows, mask=of_rows < 0))
    columns["flags"] = flags(Rows(numeric.T, codes.T), definition)
    schema = plain_features(PREDICTIONS, definition)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _floats(values: NDArray[np.float32]) -> pa.Array:
    """NaN becomes null: as `pa.array(values, from_pandas=True)`, in a seventh of its time."""
    missing = np.isnan(values)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(pa.float32(), len(values), [valid, pa.py_buffer(values)])


def _turned(blocks: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """Blocks [n, k] as columns [k, all n]; block by block, since a column of a large block is read slowly."""
    turned = np.empty((blocks[0].shape[1], sum(map(len, blocks))), blocks[0].dtype)
    at = 0
    for block in blocks:
        turned[:, at : at + len(block)] = block.T
        at += len(block)
    return turned


def _own(batches: Sequence[PredictionBatch]) -> dict[str, pa.Array]:
    """What differs from row to row."""

    def each(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(batch, name) for batch in batches])

    time = each("event_time")
    return {
        "request_id": _arrow([batch.request_id for batch in batches], pa.binary(16)).cast(pa.binary()),
        "row": pa.array(each("row")),
        "entity": _arrow([batch.entity for batch in batches], pa.string()),
        "event_time": pa.array(time, pa.timestamp("us")).cast(TIME),
        "event_day": pa.array(time.astype("datetime64[D]")),
        "repeat": pa.array(each("repeat")),
        "scores": _lists([batch.scores for batch in batches], list(map(len, batches))),
        "champion_scores": _lists([batch.champion_scores for batch in batches], list(map(len, batches))),
        "latency_us": pa.array(each("latency_us")),
        "traceparent": _traces(batches),
    }


def _of_messages(batches: Sequence[PredictionBatch], again: Collection[int]) -> dict[str, pa.Array]:
    """What is the same for all rows of a message; the messages `again` do not tell their producer's number."""
    message = pa.array(np.repeat(np.arange(len(batches)), list(map(len, batches))))

    def of_all(name: str) -> pa.Array:
        return pa.array([getattr(batch.meta, name) for batch in batches], pa.string()).take(message)

    def of_sent(name: str, kind: pa.DataType) -> pa.Array:
        told = [None if at in again else getattr(batch.meta, name) for at, batch in enumerate(batches)]
        return pa.array(told, kind).take(message)

    return {
        "role": of_all("role"),
        "bundle_digest": of_all("digest"),
        "definition_digest": of_all("definition_digest"),
        "producer": of_sent("producer", pa.string()),
        "sequence": of_sent("sequence", pa.int64()),
        "rows_so_far": of_sent("rows_so_far", pa.int64()),
    }


def _arrow(values: Sequence[Sequence[Any]], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays([column_of(each, kind) for each in values])


def _lists(blocks: Sequence[Float32 | None], counts: Sequence[int]) -> pa.Array:
    """A list per row of each block [n, k], null where there is no block."""
    there = [block for block in blocks if block is not None]
    if not there:
        return pa.nulls(sum(counts), SCORES)
    widths = np.repeat([0 if block is None else block.shape[1] for block in blocks], counts)
    ends = np.concatenate([[0], np.cumsum(widths)]).astype(np.int32)
    values = pa.array(np.concatenate([block.ravel() for block in there]))
    return pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(widths == 0))


def _traces(batches: Sequence[PredictionBatch]) -> pa.Array:
    if all(batch.traceparent is None for batch in batches):
        return pa.nulls(sum(map(len, batches)), pa.string())
    traces = chain.from_iterable(batch.traceparent or [None] * len(batch) for batch in batches)
    return pa.array(list(traces), pa.string())
