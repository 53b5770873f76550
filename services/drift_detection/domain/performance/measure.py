"""Realised performance of a window, as far as its labels have come, and what it will be once all have."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.performance.calibration_check import check_calibration
from services.drift_detection.domain.performance.estimate import Z, estimate
from services.drift_detection.domain.performance.lags import Ahead, LagCurve, total
from services.drift_detection.domain.performance.moments import STEPS, Moments
from services.drift_detection.domain.performance.outcomes import BUSINESS_SCALE, Scorer, WindowOutcomes
from shared.events import BusinessMean, CalibrationTest, EstimatedMetric, MeasuredMetric
from shared.reference.calibration import Curve
from shared.reference.ranks import area_under_curve

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Waiting:
    """What is known of labels to come: rows that were `predicted` in the window, its `age` in microseconds by the
    clock of the labels, the `curve` learnt so far, and whether the window is `settled`: the expected delay is over.
    """

    predicted: int
    age: int
    curve: LagCurve
    settled: bool

    @cached_property
    def expected_share(self) -> float | None:
        """The share of predicted rows that usually have a label by now."""
        return self.curve.share(self.age) if self.curve.is_known else None

    @cached_property
    def ahead(self) -> Ahead | None:
        """What usually comes later, per predicted row."""
        return self.curve.ahead(self.age) if self.curve.is_known else None


@dataclass(frozen=True)
class Measured:
    """What is said of a window's labels."""

    labelled: int
    metrics: tuple[MeasuredMetric, ...]
    calibration: CalibrationTest | None
    business: BusinessMean | None


def measure(scorer: Scorer, window: WindowOutcomes, waiting: Waiting) -> Measured:
    """The window's performance. Whether the estimate covered it and calibration held is said when it is settled: labels
    that come early may be of another kind than those that come late.
    """
    labels = total(window.labels)
    business = _business(total(window.business))
    if labels is None or not labels.rows:
        return Measured(0, (), None, business)
    expected = {metric.name: metric for metric in estimate(scorer.reference, window.bins)}
    metrics = [
        _loss(_Loss(labels, at, float(scorer.scale[at]) / STEPS, curve), expected[curve.name], waiting)
        for at, curve in enumerate(scorer.calibration.losses)
    ]
    area = _area(scorer, window, expected.get("auc"), waiting)
    tested = check_calibration(scorer, window) if waiting.settled else None
    return Measured(labels.rows, (*metrics, *([area] if area else [])), tested, business)


@dataclass(frozen=True)
class _Loss:
    """One loss of a window: the moments of all losses, which it is, a step in its unit."""

    moments: Moments
    at: int
    step: float
    curve: Curve

    @property
    def mean(self) -> float:
        return self.step * self.moments.sums[self.at] / self.moments.rows

    @property
    def error(self) -> float:
        rows = self.moments.rows
        variance = self.step**2 * self.moments.squares[self.at] / rows - self.mean**2
        return math.sqrt(max(variance, 0.0) / rows * self.curve.dispersion(rows))

    def once_all_came(self, waiting: Waiting) -> tuple[float, float, float] | None:
        """Its mean then, and an interval: what is still to come is as what came that late before.

        The ratio of sums, its variance by the delta method: of the rows to come (a Poisson number of them, so the sum
        of squares around the ratio), and as much again, in proportion, for the rows that this was learnt from.
        """
        ahead = waiting.ahead
        if ahead is None:
            return None
        rows = self.moments.rows + waiting.predicted * ahead.rows
        coming = self.step * ahead.sums[self.at]
        mean = (self.step * self.moments.sums[self.at] + waiting.predicted * coming) / rows
        around = self.step**2 * ahead.squares[self.at] - 2 * mean * coming + mean**2 * ahead.rows
        learnt = 1 + waiting.predicted / waiting.curve.rows
        variance = waiting.predicted * max(around, 0.0) * learnt * self.curve.dispersion(waiting.predicted)
        width = Z * math.sqrt(variance) / rows
        return mean, max(mean - width, 0.0), mean + width


def _loss(loss: _Loss, expected: EstimatedMetric, waiting: Waiting) -> MeasuredMetric:
    later = loss.once_all_came(waiting) or (None, None, None)
    return MeasuredMetric(
        name=loss.curve.name,
        realised=loss.mean,
        standard_error=loss.error,
        corrected=later[0],
        lower=later[1],
        upper=later[2],
        expected=expected,
        covered=_covered(expected, loss.mean, loss.step, waiting),
    )


def _covered(expected: EstimatedMetric, realised: float, step: float, waiting: Waiting) -> bool | None:
    """A realised mean is known to a step."""
    inside = expected.lower - step <= realised <= expected.upper + step
    return inside if waiting.settled and not expected.skewed else None


def _area(
    scorer: Scorer, window: WindowOutcomes, expected: EstimatedMetric | None, waiting: Waiting
) -> MeasuredMetric | None:
    groups = scorer.calibration.arrays
    positive = groups.join(window.signals) / STEPS
    realised = area_under_curve(positive, groups.join(window.counts) - positive)
    if expected is None or realised is None:
        return None
    return MeasuredMetric(
        name="auc",
        realised=realised,
        standard_error=None,
        corrected=None,
        lower=None,
        upper=None,
        expected=expected,
        covered=_covered(expected, realised, 1e-12, waiting),
    )


def _business(moments: Moments | None) -> BusinessMean | None:
    if moments is None or not moments.rows:
        return None
    rows, step = moments.rows, float(BUSINESS_SCALE[0]) / STEPS
    mean = step * moments.sums[0] / rows
    if rows < 2:
        return BusinessMean(rows=rows, mean=mean, standard_error=None)
    # A correction whose original was kept out takes more away than there was.
    variance = step**2 * max(moments.squares[0] * rows - moments.sums[0] ** 2, 0) / (rows * (rows - 1))
    return BusinessMean(rows=rows, mean=mean, standard_error=math.sqrt(variance / rows))
