"""Rows of a snapshot as training and evaluation take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.features import Float32, Rows, model_input, stack_rows

Categories = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Labelled:
    """n labelled rows in order of event time: `labels` float64 [n], `event_time` datetime64[us] [n] UTC."""

    rows: Rows
    labels: NDArray[np.float64]
    event_time: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.rows)

    def features(self, definition: ModelDefinition) -> Float32:
        """The tensor `features` float32 [n, F] of a bundle's graph."""
        return model_input(self.rows, definition)


def split(table: pa.Table, holdout_start: datetime) -> tuple[pa.Table, pa.Table]:
    """The rows before `holdout_start`, and those from it on."""
    times = _times(table)
    before = int(np.searchsorted(times, np.datetime64(holdout_start.replace(tzinfo=None), "us")))
    return table.slice(0, before), table.slice(before)


def category_lists(table: pa.Table, definition: ModelDefinition) -> dict[str, tuple[str, ...]]:
    """The categories of each categorical feature in these rows, sorted."""
    return {
        name: tuple(sorted({value for value in _column(table, name).unique().to_pylist() if value}))
        for name in definition.categorical
    }


def labelled(table: pa.Table, definition: ModelDefinition, categories: Categories) -> Labelled:
    """Rows of a snapshot's table, categories encoded by these lists.

    Raises:
        InvalidInput: the table lacks a feature.
    """
    columns = {name: _column(table, name).to_numpy() for name in definition.numeric}
    strings = {name: _column(table, name).to_pylist() for name in definition.categorical}
    return Labelled(
        rows=stack_rows(columns | strings, definition, categories),
        labels=table.column("label").to_numpy(),
        event_time=_times(table),
    )


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise InvalidInput(name, "the feature log has no such feature")
    return table.column(name)


def _times(table: pa.Table) -> NDArray[np.datetime64]:
    times: NDArray[np.datetime64] = table.column("event_time").to_numpy()
    return times.astype("datetime64[us]")
