"""A prediction batch as rows of the table `predictions`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.feature_logging.domain.origin import Origin, source_columns
from services.feature_logging.domain.quality import flags
from shared.batch import PredictionBatch
from shared.definition import ModelDefinition
from shared.errors import Unreadable
from shared.feature_log.schema import PREDICTIONS, SCORES, TIME, with_features
from shared.features import MISSING, Float32

FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")


def prediction_rows(
    batch: PredictionBatch, definition: ModelDefinition, categories: Mapping[str, Sequence[str]], origin: Origin
) -> pa.Table:
    """The n rows of a batch: own columns, then the features by name, missing and unseen values null, and `flags`.

    Raises:
        Unreadable: the batch has no rows, belongs to another model, or its blocks do not fit the definition.
    """
    _check(batch, definition)
    columns = _own(batch, definition) | source_columns(origin, len(batch))
    for position, name in enumerate(definition.numeric):
        columns[name] = pa.array(batch.rows.numeric[:, position], from_pandas=True)  # NaN becomes null
    for position, name in enumerate(definition.categorical):
        columns[name] = _strings(name, batch.rows.categorical[:, position], categories[name])
    columns["flags"] = flags(batch.rows, definition)
    schema = with_features(PREDICTIONS, definition)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _check(batch: PredictionBatch, definition: ModelDefinition) -> None:
    count = len(batch)
    if not count:
        raise Unreadable("prediction batch: no rows")
    if batch.meta.model != definition.name:
        raise Unreadable(f"prediction batch: its bundle is of model {definition.name}, not {batch.meta.model}")
    if batch.meta.definition_digest != definition.digest:
        raise Unreadable("prediction batch: definition_digest is not that of its bundle")
    _width("numeric", batch.rows.numeric, len(definition.numeric))
    _width("categorical", batch.rows.categorical, len(definition.categorical))
    if batch.scores.dtype != np.float32 or not batch.scores.shape[1]:
        raise Unreadable("prediction batch: scores must be at least one float32 per row")
    if batch.event_time.min() < FIRST or batch.event_time.max() > LAST:
        raise Unreadable("prediction batch: event_time must lie in the years 1 to 9999")


def _width(name: str, block: NDArray[np.float32] | NDArray[np.int32], expected: int) -> None:
    dtype = np.dtype(np.float32 if name == "numeric" else np.int32)
    if block.shape[1] != expected or block.dtype != dtype:
        raise Unreadable(
            f"prediction batch: {name} must be {expected} {dtype} per row, not {block.shape[1]} {block.dtype}"
        )


def _own(batch: PredictionBatch, definition: ModelDefinition) -> dict[str, pa.Array]:
    count, shadowed = len(batch), batch.champion_scores
    if any(value is not None and not isinstance(value, str) for value in batch.entity):
        raise Unreadable("prediction batch: entity must be a string")
    return {
        "request_id": pa.array(list(batch.request_id), pa.binary()),
        "row": pa.array(batch.row),
        "entity": pa.array(list(batch.entity), pa.string()),
        "event_time": pa.array(batch.event_time, pa.timestamp("us")).cast(TIME),
        "event_day": pa.array(batch.event_time.astype("datetime64[D]")),
        "repeat": pa.array(batch.repeat),
        "role": pa.repeat(batch.meta.role, count),
        "bundle_digest": pa.repeat(batch.meta.digest, count),
        "definition_digest": pa.repeat(definition.digest, count),
        "scores": _lists(batch.scores),
        "champion_scores": pa.nulls(count, SCORES) if shadowed is None else _lists(shadowed),
        "latency_us": pa.array(batch.latency_us),
        "traceparent": pa.array(batch.traceparent or [None] * count, pa.string()),
        "producer": pa.repeat(batch.meta.producer, count),
        "sequence": pa.repeat(batch.meta.sequence, count),
        "rows_so_far": pa.repeat(batch.meta.rows_so_far, count),
    }


def _lists(block: Float32) -> pa.Array:
    count, width = block.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * width), pa.array(block.reshape(-1)))


def _strings(name: str, codes: NDArray[np.int32], categories: Sequence[str]) -> pa.Array:
    if codes.min() < MISSING or codes.max() >= len(categories):
        raise Unreadable(f"prediction batch: a code of {name} is outside its {len(categories)} categories")
    return pa.array(categories, pa.string()).take(pa.array(codes, mask=codes < 0))
