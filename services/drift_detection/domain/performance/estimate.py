"""The label-free estimate: what a window's scores tell of its losses, if a score means what it meant before.

Confidence-based performance estimation for classifiers and direct loss estimation for regressors are one thing here:
the expected loss is the reference's, as a function of the score (lines in groups of the score's bins), summed over the
window's rows. It depends on counts and sums per bin alone, so it is exact in any order of arrival.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.events import EstimatedMetric
from shared.reference import Reference, Sketch
from shared.reference.calibration import NORMAL, Calibration, Curve
from shared.reference.panes import Int64
from shared.reference.ranks import area_under_curve, pull

Float64 = NDArray[np.float64]

Z = NORMAL.inv_cdf(0.975)
# An interval is not relied on where the sum of the window's losses, or that of the reference's, is more skewed. The
# reference's tells how well its variance is known; Cochran (1977) asks for n > 25 skewness², which is 0.2 for a sum.
MOST_SKEWED, REFERENCE_MOST_SKEWED = 1.0, 0.15
HIGHEST = {"log_loss": math.inf, "squared_error": math.inf, "absolute_error": math.inf}  # the others end at 1


@dataclass(frozen=True)
class ScoreBins:
    """Rows by the fine bins of their score, int64 [60] each: `counts`, and `sums` of places on the measure's grid."""

    counts: Int64
    sums: Int64

    @classmethod
    def of(cls, sketch: Sketch) -> Self:
        """Those of a window's sketch. Its last numeric column is the score, the only one there is."""
        return cls(sketch.counts[-1, 1:], sketch.sums[-1, 1:])


@dataclass(frozen=True)
class Expected:
    """What is expected of the rows of each group, float64 [G]: the window's `rows` there, and how far their mean score
    lies from the reference's there (`offset`).
    """

    calibration: Calibration
    rows: Float64
    offset: Float64

    @classmethod
    def of(cls, reference: Reference, calibration: Calibration, bins: ScoreBins) -> Self:
        """Of the rows in these bins."""
        groups, measure = calibration.arrays, reference.score_measure
        rows = groups.join(bins.counts).astype(np.float64)
        places = np.divide(groups.join(bins.sums), rows, where=rows > 0, out=np.zeros_like(rows))
        offset = measure.centre[0] + measure.step[0] * places - groups.centre
        return cls(calibration, rows, np.where(rows > 0, np.clip(offset, -groups.reach, groups.reach), 0.0))

    @property
    def total(self) -> float:
        """All rows."""
        return float(self.rows.sum())

    def means(self, curve: Curve) -> Float64:
        """The expected value of a row of each group."""
        return np.asarray(curve.mean) + np.asarray(curve.slope) * self.offset

    def variances(self, curve: Curve) -> Float64:
        """What a row varies by around its expected value, by group, where the window's scores lie in it: between the
        middles of two groups on the line that joins them, beyond the outermost on the last one.
        """
        centre, variance = self.calibration.arrays.centre, np.asarray(curve.variance)
        if len(centre) < 2:
            return variance
        place = np.clip(np.searchsorted(centre, centre + self.offset) - 1, 0, len(centre) - 2)
        along = (centre + self.offset - centre[place]) / (centre[place + 1] - centre[place])
        found: Float64 = variance[place] + along * (variance[place + 1] - variance[place])
        return np.maximum(found, variance / 2)

    def covariance(self, curve: Curve, weights: Float64) -> Float64:
        """Of the K sums Σ weight·(realised - expected) over all rows, [K, K], weights float64 [K, G] one per group.

        Two parts: the labels' own chance given their scores, and what the reference doesn't know of its lines.
        """
        groups = self.calibration.arrays
        line = np.divide(self.offset**2, groups.scatter, where=groups.scatter > 0, out=np.zeros_like(self.offset))
        chance = self.rows * self.variances(curve) * curve.dispersion(self.total)
        unknown = self.rows**2 * np.asarray(curve.variance) * (1 + line) / groups.rows * curve.reference_dispersion
        return np.asarray((weights * (chance + unknown)) @ weights.T)

    def deviation(self, curve: Curve, weights: Float64) -> float:
        """The standard deviation of one such sum, weights float64 [G]."""
        return math.sqrt(float(self.covariance(curve, weights[None])[0, 0]))

    def is_skewed(self, curve: Curve, weights: Float64) -> bool:
        """Whether few rows decide such a sum, of the window or of the reference: then it is not normal."""
        known = self.calibration.arrays.rows
        window = math.sqrt(curve.dispersion(self.total)) * _skewness(curve, weights, self.rows)
        reference = math.sqrt(curve.reference_dispersion) * _skewness(curve, weights * self.rows / known, known)
        return window > MOST_SKEWED or reference > REFERENCE_MOST_SKEWED


def _skewness(curve: Curve, weights: Float64, rows: Float64) -> float:
    """Of Σ weight·loss over independent rows, float64 [G] of each group; without its sign."""
    deviation = weights * np.sqrt(rows * np.asarray(curve.variance))
    total = math.hypot(*deviation)
    if not total or not curve.skewness:
        return 0.0
    each = np.divide((deviation / total) ** 3, np.sqrt(rows), where=rows > 0, out=np.zeros_like(rows))
    return abs(float(each @ np.asarray(curve.skewness)))


def estimate(reference: Reference, bins: ScoreBins) -> tuple[EstimatedMetric, ...]:
    """The expected metrics of the rows in these bins; none without rows or without a calibration."""
    if reference.calibration is None or not bins.counts.sum():
        return ()
    expected = Expected.of(reference, reference.calibration, bins)
    found = [_loss(curve, expected) for curve in reference.calibration.losses]
    area = _area(expected) if reference.calibration.kind == "binary" else None
    return (*found, area) if area else tuple(found)


def _loss(curve: Curve, expected: Expected) -> EstimatedMetric:
    value = float(expected.rows @ expected.means(curve)) / expected.total
    each = np.ones_like(expected.rows)
    width = Z * expected.deviation(curve, each) / expected.total
    skewed = expected.is_skewed(curve, each)
    return _within(curve.name, (value, value - width, value + width), curve.overall, skewed)


def _within(name: str, interval: tuple[float, float, float], reference: float, skewed: bool) -> EstimatedMetric:
    value, lower, upper = (min(max(bound, 0.0), HIGHEST.get(name, 1.0)) for bound in interval)
    return EstimatedMetric(name=name, value=value, lower=lower, upper=upper, reference=reference, skewed=skewed)


def _area(expected: Expected) -> EstimatedMetric | None:
    """Its interval is linear in the labels around what is expected (the delta method)."""
    curve = expected.calibration.area
    share = np.clip(expected.means(curve), 0, 1)
    positive, negative = expected.rows * share, expected.rows * (1 - share)
    area = area_under_curve(positive, negative)
    if area is None:
        return None
    weights = pull(positive, negative)
    width = Z * expected.deviation(curve, weights)
    reference = area_under_curve(*expected.calibration.classes)
    interval = (area, area - width, area + width)
    return _within("auc", interval, 0.5 if reference is None else reference, expected.is_skewed(curve, weights))
