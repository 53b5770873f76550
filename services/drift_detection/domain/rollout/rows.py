"""From logged rows to sums: what each metric is, and its range."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.rollout.sums import GRID, PLACE, Sums
from shared.batch import PredictionBatch
from shared.definition import ModelDefinition
from shared.failures import Failed
from shared.features import Float32
from shared.reference import Reference
from shared.reference.panes import Int64
from shared.rollout import METRICS, Metric
from shared.subjects import GROUPS, group

_FASTER, _SLOWER = 6, 4  # doublings below and above the objective: what lies beyond counts as these
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Ranges:
    """Where values lie; those beyond count as the end. `score` and `loss` in their units, `objective_us` of latency."""

    score: tuple[float, float] = (0.0, 1.0)
    loss: tuple[float, float] = (0.0, 1.0)
    objective_us: float = 50_000.0

    @classmethod
    def of_bundle(cls, definition: ModelDefinition, reference: Reference) -> Self:
        """Of a probability from 0 to 1; of another score the reference's clipped range, on round numbers, so that two
        versions of a model mostly agree.
        """
        objective = definition.serving.latency_slo_ms * 1_000
        if definition.label.kind == "binary":
            return cls(objective_us=objective)
        low, high = reference.scores[0].clip.bounds
        step = 2.0 ** math.floor(math.log2(max(high - low, 1e-30)))
        return cls(score=(math.floor(low / step) * step, math.ceil(high / step) * step), objective_us=objective)

    def apart(self, other: "Ranges") -> list[Metric]:
        """The metrics that are counted on other ranges there."""
        moved: dict[Metric, bool] = {
            "score": self.score != other.score,
            "latency": self.objective_us != other.objective_us,
            "slow": self.objective_us != other.objective_us,
            "loss": self.loss != other.loss,
        }
        return [metric for metric, differs in moved.items() if differs]

    def of(self, metric: Metric) -> tuple[float, float]:
        """The range of a metric: `latency` is the logarithm to base 2 of its microseconds."""
        if metric == "latency":
            middle = math.log2(self.objective_us)
            return middle - _FASTER, middle + _SLOWER
        return {"score": self.score, "loss": self.loss}.get(metric, (0.0, 1.0))

    def places(self, metric: Metric, values: Float64 | Float32) -> Int64:
        """Finite values [n] as steps of the grid, int64 [n] from 0 to 2^16."""
        low, high = self.of(metric)
        inside = np.clip(np.asarray(values, dtype=np.float64), low, high)
        places: Int64 = np.rint((inside - low) / (high - low) * GRID).astype(np.int64)
        return places


def groups(batch: PredictionBatch) -> Int64:
    """Of each row the group of its entity, or of its request if it has none, int64 [n]."""
    subjects = zip(batch.entity, batch.request_id, strict=True)
    return np.array([group(key if entity is None else entity) for entity, key in subjects], dtype=np.int64)


def add_rows(sums: Sums, batch: PredictionBatch, rows: NDArray[np.bool_], ranges: Ranges) -> None:
    """Take in the rows of a message that are marked, bool [n]; its failures are `add_failures`.

    A score that is no number is an error, and no score. A shadow's score counts as its difference from the champion's,
    if both are numbers.
    """
    chosen = groups(batch)[rows]
    scores, latency = batch.scores[rows, 0], np.maximum(batch.latency_us[rows], 1).astype(np.float64)
    beside = None if batch.champion_scores is None else batch.champion_scores[rows, 0]
    sums.answered += len(chosen)
    add_values(sums, "score", chosen, (scores, beside), ranges)
    sums.add(PLACE["latency"], chosen, ranges.places("latency", np.log2(latency)))
    every = np.bincount(chosen, minlength=GROUPS)
    sums.add_marked(PLACE["slow"], every, chosen[latency > ranges.objective_us])
    sums.add_marked(PLACE["error"], every, chosen[~np.isfinite(scores)])
    sums.errors_known = sums.errors_known and batch.meta.failed is not None


def add_failures(sums: Sums, failed: Failed) -> None:
    """Take in rows that got no answer: each is an error, and nothing else."""
    place = PLACE["error"]
    for number, rows in failed.rows.items():
        sums.rows[place, number] += rows
        sums.sums[place, number] += GRID * rows
        sums.squares[place] += GRID**2 * rows


def add_values(
    sums: Sums,
    metric: Metric,
    chosen: Int64,
    values: tuple[Float64 | Float32, Float64 | Float32 | None],
    ranges: Ranges,
) -> None:
    """Take in a version's own values [n] of rows in these groups and, of a shadow, the champion's to the same rows.

    For `loss`, too. What is not finite is missing: it counts for nothing.
    """
    own, other = values
    known = np.isfinite(own) if other is None else np.isfinite(own) & np.isfinite(other)
    places = ranges.places(metric, own[known])
    if other is None:
        sums.add(METRICS.index(metric), chosen[known], places)
    else:
        beside = ranges.places(metric, other[known])
        sums.add(METRICS.index(metric), chosen[known], places - beside, beside)
