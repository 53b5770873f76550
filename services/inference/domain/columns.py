"""Columns of a table as a model's inputs, and as what a request says beside them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.inference.domain.binary import BYTES
from services.inference.domain.context import LONGEST_ENTITY, microseconds
from services.inference.domain.encoder import Encoded, Encoder
from services.inference.domain.tensor import Tensor
from shared.definition import ModelDefinition
from shared.errors import InvalidInput

Columns: TypeAlias = "pa.Table | pa.RecordBatch | Mapping[str, Sequence[Any] | NDArray[Any] | pa.Array]"

_LARGEST = float(np.finfo(np.float32).max)


def as_table(columns: Columns) -> pa.Table:
    """Columns as a table; raises InvalidInput for one that Arrow can't hold, or of another length."""
    if isinstance(columns, pa.Table):
        return columns
    if isinstance(columns, pa.RecordBatch):
        return pa.Table.from_batches([columns])
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(name, f"values of one type: {error}") from error
    try:
        return pa.table(arrays)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInput("", f"columns of the same length: {error}") from error


def check_columns(schema: pa.Schema, definition: ModelDefinition) -> None:
    """Raises InvalidInput unless each feature has one column, of a type that can hold its values."""
    for feature in definition.features:
        found = schema.get_all_field_indices(feature.name)
        if len(found) != 1:
            raise InvalidInput(feature.name, "one column of this name" + ("" if not found else ", not several"))
        _check_type(feature.name, schema.field(found[0]).type, numeric=feature.kind == "numeric")


def _check_type(name: str, kind: pa.DataType, *, numeric: bool) -> None:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_null(value):
        return
    if numeric:
        good = any(is_kind(value) for is_kind in (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean))
        good = good or pa.types.is_decimal(value)
    else:
        good = pa.types.is_string(value) or pa.types.is_large_string(value)
    if not good:
        raise InvalidInput(name, f"a column of {'numbers' if numeric else 'strings'}, not of {kind}")


def encoded(table: pa.Table, definition: ModelDefinition, encoder: Encoder, first: int = 0) -> Encoded:
    """Rows as the model takes and the log keeps them; null and NaN are missing. `first` is the number of the first row.

    Raises:
        InvalidInput: a column is missing or of a wrong type, or a number is infinite or beyond FP32: `field` is the
            column, the text names the row.
    """
    check_columns(table.schema, definition)
    inputs = {
        feature.name: _numbers(table[feature.name], feature.name, first)
        if feature.kind == "numeric"
        else _strings(table[feature.name], feature.name)
        for feature in definition.features
    }
    return encoder.encode(inputs)


def _numbers(column: pa.ChunkedArray, name: str, first: int) -> Tensor:
    # By way of FP64, as numbers in JSON go.
    values = column.cast(pa.float32() if pa.types.is_float16(column.type) else pa.float64(), safe=False)
    numbers: NDArray[np.float64] = values.to_numpy().astype(np.float64, copy=False)
    with np.errstate(invalid="ignore"):
        strange = np.flatnonzero(np.abs(numbers) > _LARGEST)
    if len(strange):
        raise InvalidInput(name, f"a finite number within FP32, or null if it is missing, in row {first + strange[0]}")
    return Tensor(name, name, "FP32", (len(numbers),), numbers.astype(np.float32))


def _strings(column: pa.ChunkedArray, name: str) -> Tensor:
    return Tensor(name, name, BYTES, (len(column),), column.cast(pa.string()).to_pylist())


def texts(table: pa.Table, name: str, first: int = 0) -> list[str]:
    """A column of ids, strings or whole numbers; raises InvalidInput for another type, and for an id that is missing,
    empty or longer than 256 characters.
    """
    values = _labels(table, name)
    for position, value in enumerate(values):
        if not value or len(value) > LONGEST_ENTITY:
            raise InvalidInput(name, f"a text of 1 to {LONGEST_ENTITY} characters in row {first + position}")
    return values  # type: ignore[return-value]  # none is None


def entities(table: pa.Table, name: str | None, first: int = 0) -> list[str | None]:
    """Whom each row is about, from a column of strings or whole numbers; raises InvalidInput as `texts` does."""
    if name is None:
        return [None] * len(table)
    values = _labels(table, name)
    for position, value in enumerate(values):
        if value is not None and len(value) > LONGEST_ENTITY:
            raise InvalidInput(name, f"at most {LONGEST_ENTITY} characters in row {first + position}")
    return values


def event_times(table: pa.Table, name: str | None, now_us: int, first: int = 0) -> NDArray[np.datetime64]:
    """When each row happened, datetime64[us] [n] in UTC, from a column of timestamps (those without a zone are UTC) or
    RFC 3339 texts; raises InvalidInput for another type, and for a time that is missing or before 1970.
    """
    if name is None:
        return np.full(len(table), now_us, dtype="datetime64[us]")
    column = _column(table, name)
    if pa.types.is_timestamp(column.type):
        stamps = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        found = [-1 if value is None else value for value in stamps.to_pylist()]
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        rows = enumerate(column.to_pylist())
        found = [microseconds(text, f"{name}, row {first + position}") for position, text in rows]
    else:
        raise InvalidInput(name, f"a column of timestamps or RFC 3339 texts, not of {column.type}")
    times = np.array(found, dtype=np.int64)
    if (times < 0).any():
        raise InvalidInput(name, f"a time from 1970 on in row {first + int(np.argmax(times < 0))}")
    return times.view("datetime64[us]")


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if table.schema.get_all_field_indices(name) == []:
        raise InvalidInput(name, "a column of this name")
    return table[name]


def _labels(table: pa.Table, name: str) -> list[str | None]:
    column = _column(table, name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise InvalidInput(name, f"a column of strings or whole numbers, not of {column.type}")
    found: list[str | None] = pc.cast(column, pa.string()).to_pylist()
    return found
