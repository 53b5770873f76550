"""Rows as the services hold them: a float32 block of numeric features and an int32 block of category codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.definition import ModelDefinition
from shared.errors import InvalidInput, Unreadable

UNSEEN = -1
MISSING = -2

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """n rows: `numeric` float32 [n, N], NaN is missing; `categorical` int32 [n, C], codes into the category lists."""

    numeric: Float32
    categorical: Int32

    def __len__(self) -> int:
        return len(self.numeric)

    def __getitem__(self, index: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Rows":
        return Rows(self.numeric[index], self.categorical[index])


def encode_categories(values: Sequence[str | None], categories: Sequence[str]) -> Int32:
    """Codes int32 [n] of n strings: position in `categories`, -1 unseen, -2 missing (None or empty)."""
    index = {category: code for code, category in enumerate(categories)}
    codes = (MISSING if not value else index.get(value, UNSEEN) for value in values)
    return np.fromiter(codes, dtype=np.int32, count=len(values))


def decode_categories(codes: Int32, categories: Sequence[str]) -> list[str | None]:
    """Strings of n codes; missing and unseen are None.

    Raises:
        Unreadable: a code lies beyond the list, so these rows were not encoded with it.
    """
    if np.any(codes >= len(categories)):
        raise Unreadable(f"category code {codes.max()}: the list has only {len(categories)}")
    listed: list[int] = codes.tolist()
    return [categories[code] if code >= 0 else None for code in listed]


def stack_rows(
    columns: Mapping[str, Sequence[float | None] | Sequence[str | None] | Float32],
    definition: ModelDefinition,
    categories: Mapping[str, Sequence[str]],
) -> Rows:
    """Rows from one column per feature; None and NaN are missing.

    Raises:
        InvalidInput: a feature's column is missing, of another length, not numbers, or holds an infinity (what float32
            can't hold becomes one); `field` is the feature.
    """
    for feature in definition.features:
        if feature.name not in columns:
            raise InvalidInput(feature.name, "a column for this feature is needed")
    count = len(columns[definition.features[0].name])
    for feature in definition.features:
        if len(columns[feature.name]) != count:
            raise InvalidInput(feature.name, f"{count} values are needed, as many as the first feature has")
    numeric = np.empty((count, len(definition.numeric)), dtype=np.float32)
    categorical = np.empty((count, len(definition.categorical)), dtype=np.int32)
    for position, name in enumerate(definition.numeric):
        numeric[:, position] = _numbers(name, columns[name])
    for position, name in enumerate(definition.categorical):
        strings = [None if value is None else str(value) for value in columns[name]]
        categorical[:, position] = encode_categories(strings, categories[name])
    return Rows(numeric, categorical)


def _numbers(name: str, values: Sequence[float | None] | Sequence[str | None] | Float32) -> Float32:
    fast = isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    if not fast and any(
        isinstance(value, (str, bytes, bool, np.bool_)) for value in values
    ):  # numpy would make numbers of them
        raise InvalidInput(name, "numbers are needed")
    try:
        with np.errstate(over="ignore"):
            numbers = np.asarray(values, dtype=np.float32).reshape(len(values))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(name, "one number or null a row is needed") from error
    if np.isinf(numbers).any():
        raise InvalidInput(name, "must be finite and within float32")
    return numbers


def model_input(rows: Rows, definition: ModelDefinition) -> Float32:
    """The tensor `features` of a bundle's graph: float32 [n, F], all features in the definition's order.

    A category goes in as its code, unseen and missing as NaN.
    """
    tensor = np.empty((len(rows), len(definition.features)), dtype=np.float32)
    for position, feature in enumerate(definition.features):
        if feature.kind == "numeric":
            tensor[:, position] = rows.numeric[:, definition.numeric.index(feature.name)]
        else:
            codes = rows.categorical[:, definition.categorical.index(feature.name)]
            tensor[:, position] = np.where(codes >= 0, codes, np.nan)
    return tensor
