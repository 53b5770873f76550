"""Rows from before Driftline, checked column by column."""

import hashlib
import json
from collections import Counter
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.batch import request_key
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.feature_log.schema import HISTORY, PARTITION, TIME, plain_features

NULLABLE = frozenset({"entity", "label", "label_time"})
OPTIONAL = frozenset({"request_id", "row", "entity"})
MADE = frozenset({PARTITION, "log_time"})


def history_rows(table: pa.Table, definition: ModelDefinition, now: datetime) -> pa.Table:
    """The rows of a history file as the table `history` holds them, imported `now`.

    The file has event_time, the features by name, label (or a column with the label's name in the definition) and
    label_time, and may have request_id (text as a client would send it, or 16 bytes), row and entity; columns
    event_day and log_time may be there and are made anew. Times have a time zone. Missing features are null, NaN or
    empty; a row without label has null in label and label_time. Without entity it is null, without row 0; without
    request_id both are made of event_time, entity and features, so that a row that comes again in another file is the
    same row.

    Raises:
        InvalidInput: columns are missing, or one is unknown, of another type or holds what it may not; `field` has its
            name, or all that are missing.
    """
    schema = plain_features(HISTORY, definition)
    table = _with_label(table, definition)
    _same_columns(set(table.column_names) - MADE, set(schema.names) - MADE)
    if not len(table):
        raise InvalidInput("rows", "the file has none")
    columns = {
        field.name: _converted(field, table.column(field.name).combine_chunks(), definition.name)
        for field in schema
        if field.name in table.column_names and field.name not in MADE
    }
    _check_values(columns, definition)
    _add_defaults(columns, definition)
    columns["log_time"] = pa.repeat(pa.scalar(now, TIME), len(table))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _add_defaults(columns: dict[str, pa.Array], definition: ModelDefinition) -> None:
    count = len(columns["event_time"])
    columns[PARTITION] = columns["event_time"].cast(pa.date32())
    columns.setdefault("entity", pa.nulls(count, pa.string()))
    if "request_id" not in columns:
        columns["request_id"], columns["row"] = _made_ids(columns, definition)
    columns.setdefault("row", pa.array(np.zeros(count, np.int32)))


def _with_label(table: pa.Table, definition: ModelDefinition) -> pa.Table:
    """The table whose label is in the column `label`, whichever of its two names it came by."""
    own, names = definition.label.name, table.column_names
    if own == "label" or own not in names or own in (*definition.numeric, *definition.categorical):
        return table
    if "label" in names:
        raise InvalidInput(own, "is the label, and so is the column label: give one of them")
    return table.rename_columns({own: "label"})


def _same_columns(given: set[str], expected: set[str]) -> None:
    missing = sorted(expected - given - OPTIONAL)
    if missing:
        raise InvalidInput(", ".join(missing), "missing from the file, which has no such column")
    for name in sorted(given - expected):
        raise InvalidInput(name, "the definition knows no such column")
    if "row" in given and "request_id" not in given:
        raise InvalidInput("row", "counts the rows of a request, and there is no column request_id")


def _check_values(columns: dict[str, pa.Array], definition: ModelDefinition) -> None:
    for name in HISTORY.names:
        if name in columns and name not in NULLABLE and columns[name].null_count:
            raise InvalidInput(name, "must be there in every row")
    label, time = columns["label"], columns["label_time"]
    if label.is_valid() != time.is_valid():
        raise InvalidInput("label_time", "must be there where label is, and only there")
    if definition.label.kind == "binary" and not set(label.drop_null().unique().to_pylist()) <= {0.0, 1.0}:
        raise InvalidInput("label", "0 or 1, for the model's label is binary")
    if pc.call_function("any", [pc.call_function("less", [time, columns["event_time"]])]).as_py():
        raise InvalidInput("label_time", "must not be before event_time: what is known then needs no model")


def _made_ids(columns: dict[str, pa.Array], definition: ModelDefinition) -> tuple[pa.Array, pa.Array]:
    """Ids of the rows' content, and a number for each of the rows that say the same, the first labelled first."""
    names = ["event_time", "entity", *sorted((*definition.numeric, *definition.categorical))]
    said = pa.table([columns["event_time"].cast(pa.int64()), *(columns[name] for name in names[1:])], names=names)
    ids = [hashlib.sha256(json.dumps(row).encode()).digest()[:16] for row in said.to_pylist()]
    labels = pa.table({name: columns[name] for name in ("label_time", "label")})
    order = [(name, "ascending") for name in labels.column_names]
    rows, seen = np.zeros(len(ids), np.int32), Counter[bytes]()
    for position in pc.call_function("sort_indices", [labels], pc.SortOptions(order)).to_pylist():
        rows[position] = seen[ids[position]]
        seen[ids[position]] += 1
    return pa.array(ids, pa.binary()), pa.array(rows)


def _converted(field: pa.Field, column: pa.Array, model: str) -> pa.Array:
    if field.name == "request_id":
        return _ids(column, model)
    if pa.types.is_timestamp(field.type):
        return _times(field.name, column)
    if pa.types.is_string(field.type):
        return _text(field.name, column)
    return _numbers(field, column)


def _ids(column: pa.Array, model: str) -> pa.Array:
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        if any(value is not None and len(value.as_py()) != 16 for value in column):
            raise InvalidInput("request_id", "as bytes it has 16 of them")
        return column.cast(pa.binary())
    ids = _text("request_id", column).to_pylist()
    return pa.array([None if text is None else request_key(model, text) for text in ids], pa.binary())


def _times(name: str, column: pa.Array) -> pa.Array:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise InvalidInput(name, f"must be a timestamp with a time zone, not {column.type}")
    return column.cast(TIME, safe=False)


def _text(name: str, column: pa.Array) -> pa.Array:
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type) or pa.types.is_null(plain.type)):
        raise InvalidInput(name, f"must be text, not {column.type}")
    text = plain.cast(pa.string())
    return pc.call_function("if_else", [pc.call_function("equal", [text, ""]), pa.scalar(None, pa.string()), text])


def _numbers(field: pa.Field, column: pa.Array) -> pa.Array:
    kind = column.type
    whole = pa.types.is_integer(kind) or (field.name == "label" and pa.types.is_boolean(kind))
    if not (whole or pa.types.is_null(kind) or (pa.types.is_floating(kind) and field.type != pa.int32())):
        raise InvalidInput(field.name, f"must be {field.type}, not {kind}")
    if field.type == pa.int32():
        return _integers(field.name, column)
    values = column.cast(field.type, safe=False).to_numpy(zero_copy_only=False)
    if np.isinf(values).any():
        raise InvalidInput(field.name, "must be finite")
    return pa.array(values, from_pandas=True)  # NaN becomes null


def _integers(name: str, column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.int32())
    except pa.ArrowInvalid as error:
        raise InvalidInput(name, str(error)) from error
