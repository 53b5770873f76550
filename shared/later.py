"""Columns of Arrow as Python lists that are made when somebody looks."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Generic, TypeVar, cast, overload

import pyarrow as pa

T = TypeVar("T")


class Later(Sequence[T], Generic[T]):
    """The values of a column, nulls as None; equal to a list of the same. Who only counts rows needs no names.

    `column` is the column itself.
    """

    def __init__(self, column: pa.Array) -> None:
        self.column = column

    @cached_property
    def _values(self) -> list[T]:
        return cast("list[T]", self.column.to_numpy(zero_copy_only=False).tolist())

    def __len__(self) -> int:
        return len(self.column)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        return self._values[at]

    def __eq__(self, other: object) -> bool:
        return self._values == (list(other) if isinstance(other, Later) else other)

    __hash__ = None  # type: ignore[assignment]  # as a list


def column_of(values: Sequence[T], kind: pa.DataType) -> pa.Array:
    """The values as a column of this type."""
    return values.column if isinstance(values, Later) else pa.array(values, kind)
