"""Building a reference from the rows a model was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.definition import LabelKind, ModelDefinition
from shared.errors import InvalidInput
from shared.features import MISSING, UNSEEN, Float32, Int32, Rows
from shared.reference.bins import COARSE, FINE, kept_levels, quantile, quantile_edges
from shared.reference.calibrate import Labelled, calibrate
from shared.reference.calibration import Calibration
from shared.reference.jumps import PaneMeans, day_means, find_jumps, pane_means
from shared.reference.measure import Clip, Measure
from shared.reference.panes import Int64, microseconds
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.reference import Reference
from shared.reference.sketch import Sketch

Clock = tuple[str, int]


def build_reference(  # noqa: PLR0913  # the last is an option
    rows: Rows,
    event_time: NDArray[np.datetime64],
    scores: Float32,
    definition: ModelDefinition,
    categories: Mapping[str, Sequence[str]],
    *,
    labels: NDArray[np.float64] | None = None,
) -> Reference:
    """The reference of R rows in order of event time (datetime64 [R], UTC) and their scores float32 [R, k].

    The scores should be out of fold; rows with NaN scores do not count in the scores' profiles. `categories` holds all
    categories of each categorical feature: the codes in `rows` are positions in it. `labels` float64 [R] are the rows'
    labels, NaN where there is none; without them the reference has no calibration.

    Raises:
        InvalidInput: no rows, lengths that differ, a value that is not finite, a code without a category, or a label or
            score that its kind does not allow.
    """
    _check(rows, event_time, scores, definition)
    if labels is not None and len(labels) != len(rows):
        raise InvalidInput("labels", f"{len(rows)} entries, one per row, not {len(labels)}")
    times = microseconds(event_time)
    clock = (definition.monitoring.time_zone, definition.monitoring.pane_seconds)
    numeric = zip(definition.numeric, rows.numeric.T, strict=True)
    profiles = tuple(_score(name, column, times, clock) for name, column in _named(scores))
    return Reference(
        size=len(rows),
        pane_seconds=clock[1],
        time_zone=clock[0],
        numeric=tuple(_numeric(name, column, times, clock) for name, column in numeric),
        categorical=_categoricals(rows, definition, categories),
        scores=profiles,
        calibration=None if labels is None else _calibration(labels, scores, profiles, definition.label.kind),
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


def _score(name: str, values: Float32, times: Int64, clock: Clock) -> NumericProfile:
    known = ~np.isnan(values)
    return _numeric(name, values[known], times[known], clock)


def _calibration(
    labels: NDArray[np.float64], scores: Float32, profiles: Sequence[NumericProfile], kind: LabelKind
) -> Calibration | None:
    if len(profiles) != 1:
        return None
    bins = Measure(profiles, []).bins(scores)[:, 0] - 1
    return calibrate(kind, Labelled(labels, scores[:, 0], bins))


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


def _numeric(name: str, values: Float32, times: Int64, clock: Clock) -> NumericProfile:
    if np.isinf(values).any():
        raise InvalidInput(name, "finite numbers or missing, no infinities")
    scale = _Scale(values)
    measure = Measure([scale], [])
    panes = _panes(values, times, clock[1], measure)
    days = day_means(panes, clock[0])
    return NumericProfile(
        name=name,
        minimum=scale.minimum,
        maximum=scale.maximum,
        low=scale.clip.low,
        high=scale.clip.high,
        width=scale.clip.width,
        edges=scale.edges,
        coarse_edges=scale.coarse_edges,
        day_low=float(days.min()) if len(days) else 0.0,
        day_high=float(days.max()) if len(days) else 0.0,
        jumps=find_jumps(panes, scale.clip.width, *clock),
        **_sums(values, measure, len(scale.edges) + 1),
    )


def _panes(values: Float32, times: Int64, seconds: int, measure: Measure) -> PaneMeans:
    known = ~np.isnan(values)
    places = measure.grid(values[known, None])[:, 0]
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
    rows: Rows, definition: ModelDefinition, categories: Mapping[str, Sequence[str]]
) -> tuple[CategoricalProfile, ...]:
    columns = zip(definition.categorical, rows.categorical.T, strict=True)
    return tuple(_categorical(name, codes, tuple(categories.get(name, ()))) for name, codes in columns)


def _categorical(name: str, codes: Int32, categories: tuple[str, ...]) -> CategoricalProfile:
    if codes.min() < MISSING or codes.max() >= len(categories):
        raise InvalidInput(name, f"codes from {MISSING} to {len(categories) - 1}, positions among its categories")
    counts = np.bincount(codes[codes >= 0], minlength=len(categories)).tolist()
    return CategoricalProfile(
        name=name,
        rows=int((codes != MISSING).sum()),
        missing=int((codes == MISSING).sum()),
        unseen=int((codes == UNSEEN).sum()),
        categories=categories,
        counts=tuple(counts),
        kept=kept_levels(counts),
    )
