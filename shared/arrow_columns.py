"""Columns of a message's record batch, each checked for its type as it is taken."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.errors import Unreadable

KEY = pa.binary(16)
TIME = pa.timestamp("us", "UTC")
# Python's datetime and pyarrow's dates hold no others; NaT lies outside, too.
FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")


@dataclass(frozen=True)
class Columns:
    """The columns of a record batch that is a `what`; a method raises Unreadable if a column is not as asked for."""

    what: str
    record: pa.RecordBatch

    def plain(self, name: str, kind: pa.DataType) -> NDArray[Any]:
        """A column of this type without nulls, [n]."""
        column = self._column(name)
        if column.type != kind or column.null_count:
            raise Unreadable(f"{self.what}: column `{name}` must be {kind} without nulls")
        return cast(NDArray[Any], column.to_numpy(zero_copy_only=False))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of float64 [n]; null is NaN, and NaN stands for nothing else."""
        column = self._column(name)
        values = (
            cast(NDArray[np.float64], column.to_numpy(zero_copy_only=False)) if column.type == pa.float64() else None
        )
        if values is None or int(np.isnan(values).sum()) != column.null_count:
            raise Unreadable(f"{self.what}: column `{name}` must be double, null where there is none, and never NaN")
        return values

    def times(self, name: str) -> NDArray[np.datetime64]:
        """A column of times, datetime64[us] [n] UTC."""
        times: NDArray[np.datetime64] = self.plain(name, TIME).astype("datetime64[us]")
        if not np.all((times >= FIRST) & (times <= LAST)):
            raise Unreadable(f"{self.what}: column {name}: must lie in the years 1 to 9999")
        return times

    def block(self, name: str, kind: pa.DataType) -> NDArray[Any]:
        """A column of lists of fixed size without nulls, [n, size]."""
        column = self._column(name)
        fixed = pa.types.is_fixed_size_list(column.type) and column.type.value_type == kind
        flat = column.flatten() if fixed else None
        if flat is None or column.null_count or flat.null_count:
            raise Unreadable(f"{self.what}: column `{name}` must be lists of fixed size of {kind} without nulls")
        return cast(NDArray[Any], flat.to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size))

    def _column(self, name: str) -> pa.Array:
        try:
            return self.record.column(name)
        except KeyError as error:
            raise Unreadable(f"{self.what}: column `{name}` is missing or there twice") from error
