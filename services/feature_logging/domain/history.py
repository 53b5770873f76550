"""Rows from before Driftline, checked column by column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.batch import request_key
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.feature_log.schema import HISTORY, PARTITION, TIME, with_features

NULLABLE = frozenset({"entity", "label", "label_time"})


def history_rows(table: pa.Table, definition: ModelDefinition) -> pa.Table:
    """The rows of a history file as the table `history` holds them.

    The file has request_id (text as a client would send it, or 16 bytes), row, entity, event_time, the features by
    name, label and label_time; a column event_day may be there and is made anew. Times have a time zone. Missing
    features are null, NaN or empty; a row without label has null in label and label_time.

    Raises:
        InvalidInput: a column is missing, unknown, of another type or holds what it may not; `field` is its name.
    """
    schema = with_features(HISTORY, definition)
    _same_columns(set(table.column_names) - {PARTITION}, set(schema.names) - {PARTITION})
    if not len(table):
        raise InvalidInput("rows", "the file has none")
    given = {name: table.column(name).combine_chunks() for name in schema.names if name != PARTITION}
    columns = {name: _converted(schema.field(name), column, definition.name) for name, column in given.items()}
    for name in HISTORY.names:
        if name in columns and name not in NULLABLE and columns[name].null_count:
            raise InvalidInput(name, "must be there in every row")
    if columns["label"].is_valid() != columns["label_time"].is_valid():
        raise InvalidInput("label_time", "must be there where label is, and only there")
    columns[PARTITION] = columns["event_time"].cast(pa.date32())
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _same_columns(given: set[str], expected: set[str]) -> None:
    for name in sorted(expected - given):
        raise InvalidInput(name, "this column is missing from the file")
    for name in sorted(given - expected):
        raise InvalidInput(name, "the definition knows no such column")


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
