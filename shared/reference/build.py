"""Building a reference from the rows a model was trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.definition import LabelKind, ModelDefinition
from shared.errors import InvalidInput
from shared.features import Float32, Rows
from shared.reference.bins import bins_of
from shared.reference.calibrate import Labelled, calibrate
from shared.reference.calibration import Calibration
from shared.reference.clumps import find_clumps
from shared.reference.columns import Rhythm, level_profile, numeric_profile, score_profile
from shared.reference.panes import microseconds
from shared.reference.profiles import CategoricalProfile
from shared.reference.reference import Reference
from shared.reference.segments import LEAST_ROWS, levels
from shared.reference.volume import find_volume


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
    rhythm = Rhythm(microseconds(event_time), scores[:, :1], definition.monitoring)
    whole = _whole(rows, scores, definition, categories, rhythm)
    if labels is not None:
        whole = whole.model_copy(update={"calibration": _calibration(labels, scores, whole, definition.label.kind)})
    return _with_segments(whole, rows, scores, rhythm)


def _whole(
    rows: Rows, scores: Float32, definition: ModelDefinition, categories: Mapping[str, Sequence[str]], rhythm: Rhythm
) -> Reference:
    """Of all rows, without calibration and segments."""
    monitoring, named = definition.monitoring, _named(scores)
    numeric = zip(definition.numeric, rows.numeric.T, strict=True)
    return Reference(
        size=len(rows),
        pane_seconds=monitoring.pane_seconds,
        time_zone=monitoring.time_zone,
        season=monitoring.season,
        numeric=tuple(numeric_profile(name, column, rhythm) for name, column in numeric),
        categorical=_categoricals(rows, definition, categories, rhythm),
        scores=tuple(score_profile(name, column, rhythm) for name, column in named),
        volume=find_volume(rhythm.times, monitoring.time_zone, monitoring.pane_seconds),
        clumps=find_clumps(rows, dict(named), rhythm.times, definition),
    )


def _with_segments(whole: Reference, rows: Rows, scores: Float32, rhythm: Rhythm) -> Reference:
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


def _segment(whole: Reference, rows: Rows, scores: Float32, rhythm: Rhythm) -> Reference:
    """Of these rows alone, on the measure of the whole."""
    numeric = zip(whole.numeric, rows.numeric.T, strict=True)
    codes = zip(whole.categorical, rows.categorical.T, strict=True)
    values = zip(whole.scores, scores.T, strict=True)
    return Reference(
        size=len(rows),
        pane_seconds=whole.pane_seconds,
        time_zone=whole.time_zone,
        season=whole.season,
        numeric=tuple(numeric_profile(known.name, column, rhythm, known) for known, column in numeric),
        categorical=tuple(level_profile(one.name, column, one.categories, rhythm, one.kept) for one, column in codes),
        scores=tuple(score_profile(known.name, column, rhythm, known) for known, column in values),
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


def _calibration(labels: NDArray[np.float64], scores: Float32, whole: Reference, kind: LabelKind) -> Calibration | None:
    if len(labels) != whole.size:
        raise InvalidInput("labels", f"{whole.size} entries, one per row, not {len(labels)}")
    if len(whole.scores) != 1:
        return None
    return calibrate(kind, Labelled(labels, scores[:, 0], bins_of(scores[:, 0], whole.scores[0].edges)))


def _categoricals(
    rows: Rows, definition: ModelDefinition, categories: Mapping[str, Sequence[str]], rhythm: Rhythm
) -> tuple[CategoricalProfile, ...]:
    columns = zip(definition.categorical, rows.categorical.T, strict=True)
    return tuple(level_profile(name, codes, tuple(categories.get(name, ())), rhythm) for name, codes in columns)
