"""Building a reference's calibration from scores out of fold and their labels."""

import math
from dataclasses import dataclass
from itertools import count, takewhile
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.features import Float32
from shared.reference.calibration import Calibration, Curve
from shared.reference.losses import METRICS, losses, signals
from shared.reference.panes import Int64
from shared.reference.ranks import pull

Float64 = NDArray[np.float64]

LEAST_LABELLED = 500
LEAST_OF_GROUP = 50
LEAST_BLOCKS = 30
SMALLEST_BLOCK = 16
CHANCE = 0.002  # that a spread of independent rows is taken for more than 1, at each size of block
BOUND_SHARE = 0.99  # of the reference's errors lie below half the bound of `bounded_error`


@dataclass(frozen=True)
class Labelled:
    """Labels float64 [n] (NaN: none), scores float32 [n], and the score's fine bins int64 [n] from 0, in time order."""

    labels: Float64
    scores: Float32
    bins: Int64


def calibrate(kind: LabelKind, rows: Labelled) -> Calibration | None:
    """The calibration; None with fewer than 500 rows that have both score and label.

    Raises:
        InvalidInput: a label or score is not what its kind allows.
    """
    known = ~(np.isnan(rows.labels) | np.isnan(rows.scores))
    labels, scores = rows.labels[known], rows.scores[known].astype(np.float64)
    _check(kind, labels, scores)
    if len(labels) < LEAST_LABELLED:
        return None
    starts = _starts(rows.bins[known])
    places = _Places(np.searchsorted(starts, rows.bins[known], side="right") - 1, scores, len(starts))
    bound = _bound(kind, np.abs(labels - scores))
    found = losses(kind, labels, scores, bound).T
    label = places.curve("label", signals(kind, labels, scores))
    return Calibration(
        kind=kind,
        labelled=len(labels),
        bound=bound,
        starts=tuple(starts.tolist()),
        rows=tuple(places.rows.astype(np.int64).tolist()),
        centre=tuple(places.centre.tolist()),
        scatter=tuple(places.scatter.tolist()),
        label=label,
        losses=tuple(places.curve(name, values) for name, values in zip(METRICS[kind], found, strict=True)),
        area_spread=places.area_spread(labels) if kind == "binary" else label.spread,
    )


def _check(kind: LabelKind, labels: Float64, scores: Float64) -> None:
    if not np.isfinite(labels).all():
        raise InvalidInput("labels", "finite numbers, or NaN where there is none")
    if kind == "regression":
        return
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput("labels", "a binary label is 0 or 1, or NaN where there is none")
    if ((scores < 0) | (scores > 1)).any():
        raise InvalidInput("scores", "those of a binary label are probabilities, from 0 to 1")


def _bound(kind: LabelKind, errors: Float64) -> float:
    """Regression: twice the error that 99 % keep below. A few wild labels then can't hide what all others cost."""
    return 2 * float(np.quantile(errors, BOUND_SHARE)) or 1.0 if kind == "regression" else 1.0


def _starts(bins: Int64) -> Int64:
    """First bins of groups of at least 50 rows; what is left over joins the last."""
    starts, held = [0], 0
    counts: list[int] = np.bincount(bins).tolist()
    for number, rows in enumerate(counts):
        if held >= LEAST_OF_GROUP and sum(counts[number:]) >= LEAST_OF_GROUP:
            starts.append(number)
            held = 0
        held += rows
    return np.array(starts, dtype=np.int64)


class _Places:
    """The group of each row int64 [n], and their scores by group."""

    def __init__(self, group: Int64, scores: Float64, groups: int) -> None:
        self._group, self._groups = group, groups
        self.rows = np.bincount(group, minlength=groups).astype(np.float64)
        self.centre = self._means(scores)
        self._offset = scores - self.centre[group]
        self.scatter = self._means(self._offset**2)

    def _means(self, values: Float64) -> Float64:
        means: Float64 = np.bincount(self._group, weights=values, minlength=self._groups) / self.rows
        return means

    def curve(self, name: str, values: Float64) -> Curve:
        """Least squares in each group."""
        mean = self._means(values)
        slope, residual = self._line(values, mean)
        variance = self._means(residual**2) * self.rows / (self.rows - 2)
        return Curve(
            name=name,
            overall=float(values.mean()),
            mean=tuple(mean.tolist()),
            slope=tuple(slope.tolist()),
            variance=tuple(variance.tolist()),
            skewness=tuple(self._skewness(residual).tolist()),
            spread=spread(residual),
        )

    def _skewness(self, residual: Float64) -> Float64:
        deviation = np.sqrt(self._means(residual**2))[self._group]
        return self._means(np.divide(residual, deviation, where=deviation > 0, out=np.zeros_like(residual)) ** 3)

    def area_spread(self, labels: Float64) -> tuple[tuple[int, float], ...]:
        """Of labels 0 and 1."""
        mean = self._means(labels)
        pulled = pull(self.rows * mean, self.rows * (1 - mean))
        return spread(self._line(labels, mean)[1] * pulled[self._group])

    def _line(self, values: Float64, mean: Float64) -> tuple[Float64, Float64]:
        """Slopes [G] and residuals [n]."""
        varies = self.scatter > 1e-12 * (self.centre**2 + self.scatter.mean())
        slope = np.divide(self._means(self._offset * values), self.scatter, where=varies, out=np.zeros_like(mean))
        return slope, values - mean[self._group] - slope[self._group] * self._offset


def spread(residual: Float64) -> tuple[tuple[int, float], ...]:
    """(rows, φ) for blocks of 16, 64, 256, ... successive rows of residuals float64 [n] in order of time.

    φ = Σ_blocks (Σ r)² / Σ r², of W blocks, at least 30, with W - 1 for W. It is 1 where W φ is below the chi-square
    quantile at 1 - 0.002 (by Wilson, Hilferty 1931), and never less than that of smaller blocks.
    """
    found, largest = [], 1.0
    sizes = takewhile(lambda size: len(residual) >= LEAST_BLOCKS * size, (SMALLEST_BLOCK * 4**k for k in count()))
    for size in sizes:
        blocks = len(residual) // size
        used = residual[: blocks * size]
        total = float(np.sum(used**2))
        sums = used.reshape(blocks, size).sum(axis=1)
        ratio = float(np.sum(sums**2)) / total * blocks / (blocks - 1) if total > 0 else 1.0
        largest = max(largest, ratio if ratio > _limit(blocks - 1) else 1.0)
        found.append((size, largest))
    return tuple(found)


def _limit(freedom: int) -> float:
    """The quantile of chi-square over its degrees of freedom."""
    part = 2 / (9 * freedom)
    return math.pow(1 - part + NormalDist().inv_cdf(1 - CHANCE) * math.sqrt(part), 3)
