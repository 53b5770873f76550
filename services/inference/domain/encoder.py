"""A model's inputs: from the tensors of a request to the rows that are logged and the tensor that the graph takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.inference.domain.binary import BYTES
from services.inference.domain.numeric import check_numbers, to_float32
from services.inference.domain.onnx_file import FEATURES
from services.inference.domain.tensor import Tensor, check_strings
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.features import MISSING, UNSEEN, Float32, Int32, Rows


class TensorSpec(NamedTuple):
    """What a tensor of a model looks like; -1 in `shape` is any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """n rows as they are logged, and `tensor` float32 [n, F] as the graph takes them."""

    rows: Rows
    tensor: Float32


class Columns(NamedTuple):
    """A request's features as they came: n numbers or null for each of `numeric` (in an array NaN is a missing one), n
    texts or null for each of `strings`; no value of another type.
    """

    rows: int
    numeric: Mapping[str, list[float | None] | Float32]
    strings: Mapping[str, list[str | None]]


class Encoder:
    """Built once per bundle; `categories` are the reference's lists, whose positions are the codes.

    Raises InvalidInput if one is missing.
    """

    def __init__(self, definition: ModelDefinition, categories: Mapping[str, Sequence[str]]) -> None:
        self._names = [feature.name for feature in definition.features]
        self._numeric = definition.numeric
        self._categorical = definition.categorical
        self._numeric_names = frozenset(self._numeric)
        self._max_rows = definition.serving.max_rows
        blocks = [*self._numeric, *self._categorical]
        self._order = np.array([blocks.index(name) for name in self._names])
        for name in self._categorical:
            if name not in categories:
                raise InvalidInput("reference.json", f"the categories of {name!r}")
        self._codes = {
            name: {category: code for code, category in enumerate(categories[name])} for name in self._categorical
        }
        self._takes_block = not self._categorical and self._names != [FEATURES]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What a client sends: the block of features if all are numeric, else one tensor per feature."""
        if self._takes_block:
            return (TensorSpec(FEATURES, "FP32", (-1, len(self._names))),)
        return tuple(TensorSpec(name, BYTES if name in self._codes else "FP32", (-1,)) for name in self._names)

    @property
    def block_width(self) -> int:
        """How many features the block `features` has; 0 if the model takes none."""
        return len(self._names) if self._takes_block else 0

    def encode(self, inputs: Mapping[str, Tensor]) -> Encoded:
        """Raises InvalidInput for an input that is unknown, missing or of another shape or datatype, a value that is
        no number, and more rows than the definition's `serving.max_rows`.
        """
        if self._takes_block and FEATURES in inputs:
            return self._from_block(inputs)
        return self._from_columns(inputs)

    def _from_block(self, inputs: Mapping[str, Tensor]) -> Encoded:
        for name, tensor in inputs.items():
            if name != FEATURES:
                raise InvalidInput(f"{tensor.where}.name", f"nothing but {FEATURES!r} beside it, not {name!r}")
        block = inputs[FEATURES]
        width = len(self._names)
        if len(block.shape) != 2 or block.shape[1] != width:
            raise InvalidInput(f"{block.where}.shape", f"[n, {width}] for {FEATURES}")
        self._check_count(block, block.shape[0])
        check_numbers(block, ("FP32",))
        numeric = to_float32([block]).reshape(block.shape)
        return Encoded(Rows(numeric, np.empty((len(numeric), 0), dtype=np.int32)), numeric)

    def _check_count(self, tensor: Tensor, count: int) -> None:
        if count > self._max_rows:
            raise InvalidInput(f"{tensor.where}.shape", f"at most {self._max_rows} rows in a request")

    def _from_columns(self, inputs: Mapping[str, Tensor]) -> Encoded:
        self._check_names(inputs)
        count = next(iter(inputs.values())).shape[0]
        for name in self._names:
            self._check_column(inputs[name], count)
        numeric = self._numeric_block([inputs[name] for name in self._numeric], count)
        categorical = np.empty((count, len(self._categorical)), dtype=np.int32)
        for position, name in enumerate(self._categorical):
            categorical[:, position] = self._encode(name, check_strings(inputs[name]))
        return Encoded(Rows(numeric, categorical), self._tensor(numeric, categorical))

    def takes(self, columns: Columns) -> bool:
        """Whether these are the model's features."""
        return columns.numeric.keys() == self._numeric_names and columns.strings.keys() == self._codes.keys()

    def encode_columns(self, columns: Columns) -> Encoded | None:
        """Columns that are taken; None if a number is infinite or beyond FP32."""
        numbers = [columns.numeric[name] for name in self._numeric]
        with np.errstate(over="ignore"):
            block = np.array(numbers, dtype=np.float64).reshape(-1, columns.rows).T.astype(np.float32, order="C")
        if np.isinf(block).any():
            return None
        codes = [self._encode(name, columns.strings[name]) for name in self._categorical]
        categorical = np.array(codes, dtype=np.int32).reshape(-1, columns.rows).T
        return Encoded(Rows(block, categorical), self._tensor(block, categorical))

    def _check_names(self, inputs: Mapping[str, Tensor]) -> None:
        for name, tensor in inputs.items():
            if name not in self._names:
                raise InvalidInput(f"{tensor.where}.name", f"{name!r} is no feature of this model")
        for name in self._names:
            if name not in inputs:
                raise InvalidInput("inputs", f"an input for the feature {name!r}")

    def _check_column(self, tensor: Tensor, count: int) -> None:
        if tensor.shape not in ((count,), (count, 1)):
            raise InvalidInput(f"{tensor.where}.shape", f"[{count}] or [{count}, 1] for {tensor.name}")
        self._check_count(tensor, count)

    def _numeric_block(self, tensors: list[Tensor], count: int) -> Float32:
        if not tensors:
            return np.empty((count, 0), dtype=np.float32)
        for tensor in tensors:
            check_numbers(tensor)
        return np.ascontiguousarray(to_float32(tensors).T)

    def _encode(self, name: str, values: list[str | None]) -> list[int]:
        codes = self._codes[name]
        return [codes.get(value, UNSEEN) if value else MISSING for value in values]

    def _tensor(self, numeric: Float32, categorical: Int32) -> Float32:
        if not self._categorical:
            return numeric
        codes = categorical.astype(np.float32)
        codes[categorical < 0] = np.nan
        return np.concatenate((numeric, codes), axis=1).take(self._order, axis=1)
