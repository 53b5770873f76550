"""From logged rows to sums: what each metric is, and its range."""

import math
from collections.abc import Sequence
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
from shared.reference.calibration import Calibration
from shared.reference.panes import Int64
from shared.rollout import METRICS, Metric
from shared.subjects import GROUPS, groups

_FASTER, _SLOWER = 6, 4  # doublings below and above the objective: what lies beyond counts as these
COMPARED = 1  # which loss: of a probability the Brier score, else the absolute error
Float64 = NDArray[np.float64]


def loss_range(calibration: Calibration | None) -> tuple[float, float]:
    """Of the loss that versions are compared by: the next power of two above the reference's bound on errors."""
    if calibration is None or calibration.kind == "binary":
        return 0.0, 1.0
    return 0.0, 2.0 ** math.ceil(math.log2(calibration.bound))


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
        score = math.floor(low / step) * step, math.ceil(high / step) * step
        return cls(score, loss_range(reference.calibration), objective)

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


@dataclass(frozen=True)
class Answers:
    """n answered rows as they are compared: `groups` int64 [n] of their subjects, the first score float32 [n], the
    champion's to the same row `beside` it or None, `latency_us` int32 [n]. `errors_known`: failures were told, too.
    """

    groups: Int64
    score: Float32
    beside: Float32 | None
    latency_us: NDArray[np.int32]
    errors_known: bool

    @classmethod
    def of(cls, batch: PredictionBatch) -> Self:
        """Of all rows of a message."""
        beside = None if batch.champion_scores is None else batch.champion_scores[:, 0]
        found = groups(batch.entity, batch.request_id)
        return cls(found, batch.scores[:, 0], beside, batch.latency_us, batch.meta.failed is not None)

    def __getitem__(self, chosen: slice | NDArray[np.bool_]) -> "Answers":
        beside = None if self.beside is None else self.beside[chosen]
        return Answers(self.groups[chosen], self.score[chosen], beside, self.latency_us[chosen], self.errors_known)


def stacked(parts: Sequence[Answers]) -> list[Answers]:
    """All their rows, those with a champion's scores apart from those without."""
    alone, paired = ([part for part in parts if (part.beside is None) == is_alone] for is_alone in (True, False))
    return [_stacked(some) for some in (alone, paired) if some]


def _stacked(parts: Sequence[Answers]) -> Answers:
    beside = [part.beside for part in parts if part.beside is not None]
    return Answers(
        np.concatenate([part.groups for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate(beside) if beside else None,
        np.concatenate([part.latency_us for part in parts]),
        all(part.errors_known for part in parts),
    )


def add_rows(sums: Sums, answers: Answers, ranges: Ranges) -> None:
    """Take in answered rows; failed ones are `add_failures`.

    A score that is no number is an error, and no score. A shadow's score counts as its difference from the champion's,
    if both are numbers.
    """
    chosen, scores = answers.groups, answers.score
    latency = np.maximum(answers.latency_us, 1).astype(np.float64)
    sums.answered += len(chosen)
    add_values(sums, "score", chosen, (scores, answers.beside), ranges)
    sums.add(PLACE["latency"], chosen, ranges.places("latency", np.log2(latency)))
    every = np.bincount(chosen, minlength=GROUPS)
    sums.add_marked(PLACE["slow"], every, chosen[latency > ranges.objective_us])
    sums.add_marked(PLACE["error"], every, chosen[~np.isfinite(scores)])
    sums.errors_known = sums.errors_known and answers.errors_known


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
