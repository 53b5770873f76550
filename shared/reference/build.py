"""Building a reference from the rows a model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.definition import ModelDefinition
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
from shared.reference.clumps import find_clumps
from shared.reference.habits import day_shares, importance, level_habits, numeric_habits
from shared.reference.jumps import PaneMeans, day_means, find_jumps, pane_means
from shared.reference.measure import Clip, Measure
from shared.reference.panes import Int64, microseconds
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.reference import Reference
from shared.reference.segments import LEAST_ROWS, levels
from shared.reference.sketch import Sketch
from shared.reference.volume import find_volume


@dataclass(frozen=True)
class _Rhythm:
    """Event times int64 [R] of the rows and the first score float32 [R], by the definition's panes."""

    times: Int64
    score: Float32
    monitoring: Monitoring

    def of(self, rows: NDArray[np.bool_]) -> "_Rhythm":
        return _Rhythm(self.times[rows], self.score[rows], self.monitoring)


def build_reference(
    rows: Rows,
    event_time: NDArray[np.datetime64],
    scores: Float32,
    definition: ModelDefinition,
    categories: Mapping[str, Sequence[str]],
) -> Reference:
    """The reference of R rows in order of event time (datetime64 [R], UTC) and their scores float32 [R, k].

    The scores should be out of fold; rows with NaN scores do not count in the scores' profiles. `categories` holds all
    categories of each categorical feature: the codes in `rows` are positions in it.

    Raises:
        InvalidInput: no rows, lengths that differ, a value that is not finite, or a code without a category.
    """
    _check(rows, event_time, scores, definition)
    rhythm = _Rhythm(microseconds(event_time), scores[:, :1], definition.monitoring)
    numeric = zip(definition.numeric, rows.numeric.T, strict=True)
    whole = Reference(
        size=len(rows),
        pane_seconds=definition.monitoring.pane_seconds,
        time_zone=definition.monitoring.time_zone,
        season=definition.monitoring.season,
        numeric=tuple(_numeric(name, column, rhythm) for name, column in numeric),
        categorical=_categoricals(rows, definition, categories, rhythm),
        scores=tuple(_score(name, column, rhythm) for name, column in _named(scores)),
        volume=find_volume(rhythm.times, definition.monitoring.time_zone, definition.monitoring.pane_seconds),
        clumps=find_clumps(rows, dict(_named(scores)), rhythm.times, definition),
    )
    return _with_segments(whole, rows, scores, rhythm)


def _with_segments(whole: Reference, rows: Rows, scores: Float32, rhythm: _Rhythm) -> Reference:
    parts: dict[str, Reference] = {}
    left_out: dict[str, int] = {}
    names = rhythm.monitoring.segments
    for level in levels(names, whole.categorical):
        inside = rows.categorical[:, level.column] == level.code
        if (count := int(inside.sum())) >= LEAST_ROWS:
            parts[level.name] = _segment(whole, rows[inside], scores[inside], rhythm.of(inside))
        else:
            left_out[level.name] = count
    return whole.model_copy(update={"segments": parts, "left_out": left_out}) if names else whole


def _segment(whole: Reference, rows: Rows, scores: Float32, rhythm: _Rhythm) -> Reference:
    """Of these rows alone, on the measure of the whole."""
    numeric = zip(whole.numeric, rows.numeric.T, strict=True)
    codes = zip(whole.categorical, rows.categorical.T, strict=True)
    values = zip(whole.scores, scores.T, strict=True)
    return Reference(
        size=len(rows),
        pane_seconds=whole.pane_seconds,
        time_zone=whole.time_zone,
        season=whole.season,
        numeric=tuple(_numeric(known.name, column, rhythm, known) for known, column in numeric),
        categorical=tuple(_categorical(one.name, column, one.categories, rhythm, one.kept) for one, column in codes),
        scores=tuple(_score(known.name, column, rhythm, known) for known, column in values),
    )


def _check(rows: Rows, event_time: NDArray[np.datetime64], scores: Float32, definition: ModelDefinition) -> None:
    if not len(rows):
        raise InvalidInput("rows", "a reference needs at least one row")
    lengths = {"event_time": len(event_time), "scores": len(scores), "categorical": len(rows.categorical)}
    for field, length in lengths.items():
        if length != len(rows):
            raise InvalidInput(field, f"{len(rows)} entries, one per row, not {length}")
    widths = (rows.numeric.shape[1], rows.categorical.shape[1])
    if widths != (len(definition.numeric), len(definition.categorical)):
        raise InvalidInput("rows", f"columns (numeric, categorical) {widths} are not those of the definition")
    if np.isnat(event_time).any():
        raise InvalidInput("event_time", "every row needs one")


def _named(scores: Float32) -> list[tuple[str, Float32]]:
    count = scores.shape[1]
    return [("score" if count == 1 else f"score_{number}", scores[:, number]) for number in range(count)]


def _score(name: str, values: Float32, rhythm: _Rhythm, whole: NumericProfile | None = None) -> NumericProfile:
    known = ~np.isnan(values)
    return _numeric(name, values[known], rhythm.of(known), whole)


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


def _numeric(name: str, values: Float32, rhythm: _Rhythm, whole: NumericProfile | None = None) -> NumericProfile:
    """`whole`: a segment's values are measured as all values are."""
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


def _means(values: Float32, rhythm: _Rhythm, measure: Measure, scale: _Scale | NumericProfile) -> dict[str, Any]:
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


def _categoricals(
    rows: Rows, definition: ModelDefinition, categories: Mapping[str, Sequence[str]], rhythm: _Rhythm
) -> tuple[CategoricalProfile, ...]:
    columns = zip(definition.categorical, rows.categorical.T, strict=True)
    return tuple(_categorical(name, codes, tuple(categories.get(name, ())), rhythm) for name, codes in columns)


def _categorical(
    name: str, codes: Int32, categories: tuple[str, ...], rhythm: _Rhythm, kept: tuple[int, ...] | None = None
) -> CategoricalProfile:
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
        **level_habits(bins, pooled_counts(counts, kept, int((codes == UNSEEN).sum())), rhythm.monitoring),
    )
