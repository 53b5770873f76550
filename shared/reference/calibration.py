"""What a score told in the reference: the labels and losses that came for it, and how surely that is known."""

import math
from functools import cached_property
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared.definition import LabelKind
from shared.events.base import Finite, Record
from shared.reference.losses import METRICS, RISK
from shared.reference.panes import Int64

Float64 = NDArray[np.float64]
NORMAL = NormalDist()
FARTHEST = 3.0  # a group's line is followed no farther than this many of its standard deviations


class Curve(Record):
    """One quantity (`label`, or a loss of METRICS) as a function of the score: a line in each group of bins.

    Per group `mean` (at the group's `Calibration.centre`), `slope` (per unit of score), `variance` around the line
    and `skewness`, the third moment around it in units of the standard deviation cubed (none in a reference from before
    it was known).
    `overall` is the mean over all labelled rows. `spread` holds (rows, φ): how many times as much the sum over so many
    successive rows varies as it would if rows were independent; 1 where that is not shown.
    """

    name: str
    overall: Finite
    mean: tuple[Finite, ...]
    slope: tuple[Finite, ...]
    variance: tuple[Finite, ...]
    skewness: tuple[Finite, ...] = Field(default=(), exclude_if=lambda skewness: not skewness)
    spread: tuple[tuple[int, Finite], ...] = Field(min_length=1)

    def dispersion(self, rows: float) -> float:
        """φ for a sum over so many successive rows, linear in the logarithm of rows between those assessed."""
        sizes, values = zip(*self.spread, strict=True)
        return float(np.interp(np.log(max(rows, 1.0)), np.log(sizes), values))

    @property
    def reference_dispersion(self) -> float:
        """φ for all of the reference: the largest that is known."""
        return max(value for _, value in self.spread)


class Calibration(Record):
    """Scores against labels over `labelled` rows of the reference, none scored by a model fitted on it.

    The score's fine bins are joined to groups of at least 50 labelled rows: `starts` are the first bins of the groups.
    Per group `rows`, and of their scores `centre` (mean) and `scatter` (variance). `label` is the curve of
    `losses.signals`, `losses` those of METRICS. `bound`: the error at which `bounded_error` is 1.
    `area_spread` is the spread of what the labels add to the area under the ROC curve: luck that rows share moves their
    level, and hardly their order.
    """

    kind: LabelKind
    labelled: int = Field(ge=1)
    bound: Finite = Field(gt=0)
    starts: tuple[int, ...]
    rows: tuple[int, ...]
    centre: tuple[Finite, ...]
    scatter: tuple[Finite, ...]
    label: Curve
    losses: tuple[Curve, ...]
    area_spread: tuple[tuple[int, Finite], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        curves = (self.label, *self.losses)
        columns = [self.rows, self.centre, self.scatter, *(column for curve in curves for column in _columns(curve))]
        if any(len(column) != len(self.starts) for column in columns):
            raise ValueError("each column needs one entry per group")
        if self.starts[:1] != (0,) or list(self.starts) != sorted(set(self.starts)):
            raise ValueError("starts must rise from 0")
        if min(self.rows) < 1 or sum(self.rows) != self.labelled or min(self.scatter) < 0:
            raise ValueError("rows must be positive and add up to labelled, scatter must not be negative")
        if tuple(curve.name for curve in self.losses) != METRICS[self.kind]:
            raise ValueError(f"losses must be {', '.join(METRICS[self.kind])}")
        return self

    @property
    def risk(self) -> Curve:
        """The loss in [0, 1] that the alarm on risk looks at."""
        return next(curve for curve in self.losses if curve.name == RISK[self.kind])

    @cached_property
    def area(self) -> Curve:
        """The curve of the label, with the spread of what it adds to the area under the ROC curve."""
        return self.label.model_copy(update={"spread": self.area_spread})

    @property
    def classes(self) -> tuple[Float64, Float64]:
        """Labelled rows of class 1 and of class 0 by group, float64 [G] each (binary)."""
        positive = self.arrays.rows * np.clip(np.array(self.label.mean), 0, 1)
        return positive, self.arrays.rows - positive

    def risk_upper(self, alpha: float) -> float:
        """An upper bound of the reference's mean risk that is too low with probability `alpha` (normal approximation,
        dependence of rows by `Curve.spread` included); at most 1.
        """
        variance = float(np.dot(self.risk.variance, self.rows)) / self.labelled**2
        deviation = math.sqrt(variance * self.risk.reference_dispersion)
        return min(self.risk.overall + NORMAL.inv_cdf(1 - alpha) * deviation, 1.0)

    @cached_property
    def arrays(self) -> "Groups":
        """Its columns as arrays."""
        return Groups(self)


def _columns(curve: Curve) -> tuple[tuple[float, ...], ...]:
    known = (curve.skewness,) if curve.skewness else ()
    return curve.mean, curve.slope, curve.variance, *known


class Groups:
    """A calibration's columns, float64 [G]; places in the score's range by group."""

    def __init__(self, calibration: Calibration) -> None:
        self.starts = np.array(calibration.starts, dtype=np.int64)
        self.rows = np.array(calibration.rows, dtype=np.float64)
        self.centre = np.array(calibration.centre)
        self.scatter = np.array(calibration.scatter)
        self.reach = FARTHEST * np.sqrt(self.scatter)

    def join(self, per_bin: Int64) -> Int64:
        """Sums over each group, int64 [G], of int64 [60] over the fine bins."""
        joined: Int64 = np.add.reduceat(per_bin, self.starts)
        return joined
