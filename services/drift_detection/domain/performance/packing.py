"""A window's labels as bytes, to be stored and sent."""

import json
import zlib
from typing import Any

import numpy as np

from services.drift_detection.domain.performance.lags import EDGES, LagCurve, LagTable
from services.drift_detection.domain.performance.moments import Moments
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from services.drift_detection.domain.performance.version_losses import VersionLosses
from shared.errors import Unreadable
from shared.reference.bins import FINE

LOSSES, BUSINESS = 3, 1  # quantities of a moment
_COLUMNS = ("counts", "places", "signals")
_COUNTS = ("corrections", "unfit", "capped")
_DAMAGED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, zlib.error)


def pack_outcomes(outcomes: WindowOutcomes) -> bytes:
    """All that is known of a window's labels; the same sums give the same bytes."""
    columns = [getattr(outcomes, name) for name in _COLUMNS]
    used = np.flatnonzero(np.any(columns, axis=0)).tolist()
    told = [
        _table_as_json(outcomes.labels),
        _table_as_json(outcomes.business),
        [[place, *(int(column[place]) for column in columns)] for place in used],
        [getattr(outcomes, name) for name in _COUNTS],
        outcomes.losses.told(),
    ]
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 1)


def unpack_outcomes(content: bytes) -> WindowOutcomes:
    """The reverse.

    Raises:
        Unreadable: they are none.
    """
    try:
        labels, business, bins, counts, versions = json.loads(zlib.decompress(content))
        found = WindowOutcomes(_table_of(labels, LOSSES), _table_of(business, BUSINESS))
        found.losses = VersionLosses.of(versions)
        found.corrections, found.unfit, found.capped = map(int, counts)
        for place, *values in bins:
            if not 0 <= place < FINE:
                raise ValueError(f"there is no bin {place}")
            for name, value in zip(_COLUMNS, values, strict=True):
                getattr(found, name)[place] = value
    except _DAMAGED as error:
        raise Unreadable(f"labels of a window: {error}") from error
    return found


def pack_curve(curve: LagCurve) -> bytes:
    """A lag curve. The sum of its days is not stored."""
    told = [[day, curve.predicted[day], _table_as_json(table)] for day, table in sorted(curve.days.items())]
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 1)


def unpack_curve(content: bytes) -> LagCurve:
    """The reverse."""
    curve = LagCurve()
    for day, predicted, table in json.loads(zlib.decompress(content)):
        curve.learn(day, predicted, _table_of(table, LOSSES))
    return curve


def _table_as_json(table: LagTable) -> list[list[Any]]:
    return [[lag, one.rows, one.sums, one.squares] for lag, one in sorted(table.items())]


def _table_of(told: list[list[Any]], width: int) -> LagTable:
    table = {
        lag: Moments(int(rows), tuple(map(int, sums)), tuple(map(int, squares))) for lag, rows, sums, squares in told
    }
    for lag, moments in table.items():
        if not 0 <= lag <= len(EDGES) or {len(moments.sums), len(moments.squares)} != {width}:
            raise ValueError(f"lag {lag} has no {width} sums")
    return table
