"""Faults of a window, and the findings that name them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.data_quality.stream import NUMERIC, Pane
from shared.features import Rows
from shared.reference.panes import MICROSECONDS

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _changed(pane: Pane, name: str, change: Change) -> Pane:
    numeric = pane.rows.numeric.copy()
    column = NUMERIC.index(name)
    numeric[:, column] = change(numeric[:, column])
    return replace(pane, rows=Rows(numeric, pane.rows.categorical))


def _every(step: int, value: float) -> Change:
    def change(values: NDArray[np.float32]) -> NDArray[np.float32]:
        values[::step] = value
        return values

    return change


def _some_codes(pane: Pane, code: int) -> Pane:
    codes = pane.rows.categorical.copy()
    codes[::25, 0] = code
    return replace(pane, rows=Rows(pane.rows.numeric, codes))


def _twice(pane: Pane) -> Pane:
    where = np.repeat(np.arange(len(pane.rows)), 2)
    return Pane(pane.rows[where], pane.scores[where], pane.lags[where])


def _first_half(pane: Pane) -> Pane:
    half = slice(0, len(pane.rows) // 2)
    return Pane(pane.rows[half], pane.scores[half], pane.lags[half])


FAULTS: tuple[tuple[str, str, Callable[[Pane], Pane]], ...] = (
    ("level: 2 % missing, where none was", "missing", lambda pane: _changed(pane, "level", _every(50, np.nan))),
    ("ratio: 2 % missing become 7 %", "missing", lambda pane: _changed(pane, "ratio", _every(20, np.nan))),
    ("level: 2 % zeros, where none was", "zeros", lambda pane: _changed(pane, "level", _every(50, 0))),
    ("level: °C to °F", "above_range", lambda pane: _changed(pane, "level", lambda values: values * 1.8 + 32)),
    ("price: 1 row beyond the definition", "above_limit", lambda pane: _changed(pane, "price", _every(10**6, 2e6))),
    ("site: 4 % of a new category", "unseen", lambda pane: _some_codes(pane, -1)),
    ("level: one value", "flat", lambda pane: _changed(pane, "level", lambda values: np.full_like(values, 20.5))),
    ("every row twice", "doubled", _twice),
    ("every row twice, by the number", "many_rows", _twice),
    ("half of the rows", "few_rows", _first_half),
    ("an hour late", "late", lambda pane: replace(pane, lags=pane.lags + 3_600 * MICROSECONDS)),
)
