"""The profile of one column of the reference, from its rows in order of time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.features import MISSING, UNSEEN, Float32, Int32, Rows
from shared.monitoring import Monitoring
from shared.reference.bins import (
    COARSE,
    FINE,
    bins_of,
    kept_levels,
    level_bins_of,
    pooled_counts,
    quantile,
    quantile_edges,
)
from shared.reference.habits import day_shares, importance, level_habits, numeric_habits
from shared.reference.jumps import PaneMeans, day_means, find_jumps, pane_means
from shared.reference.measure import Clip, Measure
from shared.reference.panes import Int64
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.sketch import Sketch


@dataclass(frozen=True)
class Rhythm:
    """Event times int64 [R] of the rows and the first score float32 [R], by the definition's panes."""

    times: Int64
    score: Float32
    monitoring: Monitoring

    def of(self, rows: NDArray[np.bool_]) -> "Rhythm":
        return Rhythm(self.times[rows], self.score[rows], self.monitoring)


def score_profile(name: str, values: Float32, rhythm: Rhythm, whole: NumericProfile | None = None) -> NumericProfile:
    """Of scores; rows without one do not count. A score has no importance for itself."""
    known = ~np.isnan(values)
    profile = numeric_profile(name, values[known], rhythm.of(known), whole)
    return profile.model_copy(update={"importance": None})


def _clip(ordered: Float32) -> Clip:
    if not len(ordered):
        return Clip(0.0, 0.0, 1.0)
    low, high = quantile(ordered, 0.002), quantile(ordered, 0.998)
    spread = high - low or float(ordered[-1]) - float(ordered[0])
    return Clip(low, high, spread or max(abs(low), 1.0))


class _Scale:
    """The part of a profile that must be known before its rows can be measured."""

    def __init__(self, values: Float32) -> None:
        ordered = np.sort(values[~np.isnan(values)])
        self.clip = _clip(ordered)
        self.edges: tuple[float, ...] = tuple(quantile_edges(ordered, FINE).tolist())
        self.coarse_edges: tuple[float, ...] = tuple(quantile_edges(ordered, COARSE).tolist())
        self.minimum = float(ordered[0]) if len(ordered) else 0.0
        self.maximum = float(ordered[-1]) if len(ordered) else 0.0


def numeric_profile(name: str, values: Float32, rhythm: Rhythm, whole: NumericProfile | None = None) -> NumericProfile:
    """Of a numeric column float32 [R], NaN is missing. `whole`: a segment's values are measured as all values are.

    Raises:
        InvalidInput: an infinite value.
    """
    if np.isinf(values).any():
        raise InvalidInput(name, "finite numbers or missing, no infinities")
    scale = _Scale(values) if whole is None else whole
    measure = Measure([scale], [])
    return NumericProfile(
        name=name,
        minimum=scale.minimum,
        maximum=scale.maximum,
        low=scale.clip.low,
        high=scale.clip.high,
        width=scale.clip.width,
        edges=scale.edges,
        coarse_edges=scale.coarse_edges,
        importance=importance(bins_of(values, scale.edges), rhythm.score),
        **_means(values, rhythm, measure, scale),
        **_sums(values, measure, len(scale.edges) + 1),
        **numeric_habits(values, rhythm.times, measure, scale, rhythm.monitoring),
    )


def _means(values: Float32, rhythm: Rhythm, measure: Measure, scale: _Scale | NumericProfile) -> dict[str, Any]:
    zone, seconds = rhythm.monitoring.time_zone, rhythm.monitoring.pane_seconds
    panes = _panes(values, rhythm.times, seconds, measure)
    days = day_means(panes, zone)
    missing = day_shares(np.isnan(values)[:, None], rhythm.times, zone)[1] if len(values) else (0.0,)
    return {
        "day_low": float(days.min()) if len(days) else 0.0,
        "day_high": float(days.max()) if len(days) else 0.0,
        "day_missing": missing[0],
        "jumps": find_jumps(panes, scale.clip.width, zone, seconds),
    }


def _panes(values: Float32, times: Int64, seconds: int, measure: Measure) -> PaneMeans:
    known = ~np.isnan(values)
    places = measure.grid(values[known, None])[:, 0].astype(np.float64)
    panes = pane_means(times[known], places, seconds)
    return panes.in_units(float(measure.centre[0]), float(measure.step[0]))


def _sums(values: Float32, measure: Measure, bins: int) -> dict[str, Any]:
    sketch = Sketch.empty(1, 0)
    none = np.empty((len(values), 0), dtype=np.float32)
    sketch.add(Rows(values[:, None], none.astype(np.int32)), none, measure)
    return {
        "rows": int(sketch.counts[0, 1:].sum()),
        "missing": int(sketch.counts[0, 0]),
        "zeros": int(sketch.zeros[0]),
        "counts": tuple(sketch.counts[0, 1 : bins + 1].tolist()),
        "sums": tuple(sketch.sums[0, 1 : bins + 1].tolist()),
        "squares": sketch.total_squares()[0],
    }


def level_profile(
    name: str, codes: Int32, categories: tuple[str, ...], rhythm: Rhythm, kept: tuple[int, ...] | None = None
) -> CategoricalProfile:
    """Of a categorical column's codes int32 [R]. `kept`: a segment has the bins of the whole.

    Raises:
        InvalidInput: a code without a category.
    """
    if codes.min() < MISSING or codes.max() >= len(categories):
        raise InvalidInput(name, f"codes from {MISSING} to {len(categories) - 1}, positions among its categories")
    counts = np.bincount(codes[codes >= 0], minlength=len(categories)).tolist()
    kept = kept_levels(counts) if kept is None else kept
    bins = level_bins_of(codes, kept)
    low, high = day_shares(bins[:, None] == np.arange(-1, len(kept) + 1), rhythm.times, rhythm.monitoring.time_zone)
    return CategoricalProfile(
        name=name,
        rows=int((codes != MISSING).sum()),
        missing=int((codes == MISSING).sum()),
        unseen=int((codes == UNSEEN).sum()),
        categories=categories,
        counts=tuple(counts),
        kept=kept,
        day_low=low[1:],
        day_high=high[1:],
        day_missing=high[0],
        importance=importance(bins, rhythm.score),
        **level_habits(
            bins, rhythm.times, pooled_counts(counts, kept, int((codes == UNSEEN).sum())), rhythm.monitoring
        ),
    )
