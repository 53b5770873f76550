"""What a drift is measured by in each row: a number whose mean changed, or whether the row is of the kind that grew."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.explain.sides import Side, Sides
from shared.events import DriftedFeature
from shared.features import MISSING
from shared.reference import CategoricalProfile, NumericProfile, Reference
from shared.reference.bins import bins_of, level_bins_of

Float64 = NDArray[np.float64]
_OF_MEAN = ("shift", "jump", "stuck")


class Outcome(NamedTuple):
    """float64 [n] on either side, NaN where a row has none; `what` its mean is in words."""

    what: str
    before: Float64
    after: Float64


def outcome(told: DriftedFeature, sides: Sides, reference: Reference) -> Outcome | None:
    """Of a feature or score; None if the bundle has none of this name, or if what it is measured by is not known."""
    if not _is_known(told):
        return None
    for column, number in enumerate(reference.columns):
        if number.name == told.name:
            values = [_column(side, column, len(reference.numeric)) for side in (sides.before, sides.after)]
            return Outcome(_in_words(told), *(_of_number(told, number, side) for side in values))
    for column, levels in enumerate(reference.categorical):
        if levels.name == told.name:
            codes = [side.rows.categorical[:, column] for side in (sides.before, sides.after)]
            return Outcome(_in_words(told), *(_of_level(told, levels, side) for side in codes))
    return None


def _is_known(told: DriftedFeature) -> bool:
    """Whether it is told which bins became more frequent, if that is what changed."""
    return bool(told.recent) or told.rule in (*_OF_MEAN, "missing", "zeros", "range")


def _column(side: Side, column: int, numeric: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = side.rows.numeric[:, column] if column < numeric else side.scores[:, column - numeric]
    return found


def _in_words(told: DriftedFeature) -> str:
    if told.rule in _OF_MEAN:
        return f"mean of {told.name}"
    kinds = {"missing": "missing", "zeros": "zero", "range": "out of the reference's range"}
    return f"share of rows with {told.name} {kinds.get(told.rule, 'in what became more frequent')}"


def _of_number(told: DriftedFeature, profile: NumericProfile, values: NDArray[np.float32]) -> Float64:
    missing = np.isnan(values)
    if told.rule == "missing":
        return missing.astype(np.float64)
    if told.rule in _OF_MEAN:
        low, high = profile.clip.bounds
        return np.asarray(np.clip(values.astype(np.float64), low, high), np.float64)
    if told.rule == "zeros":
        found = values == 0
    elif told.rule == "range":
        found = (values < profile.minimum) | (values > profile.maximum)
    else:
        found = np.isin(bins_of(values, profile.coarse_edges), _grown(told))
    measured: Float64 = np.where(missing, np.nan, found)
    return measured


def _of_level(told: DriftedFeature, profile: CategoricalProfile, codes: NDArray[np.int32]) -> Float64:
    missing: NDArray[np.bool_] = codes == MISSING
    if told.rule == "missing":
        return missing.astype(np.float64)
    measured: Float64 = np.where(missing, np.nan, np.isin(level_bins_of(codes, profile.kept), _grown(told)))
    return measured


def _grown(told: DriftedFeature) -> Sequence[int]:
    """The bins that became more frequent."""
    pairs = zip(told.expected, told.recent, strict=True)
    return [number for number, (expected, recent) in enumerate(pairs) if recent > expected]
