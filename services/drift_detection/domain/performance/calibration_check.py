"""Does a score mean what it meant in the reference? Asked of the labels that came for a window."""

import math

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.performance.estimate import Expected
from services.drift_detection.domain.performance.lags import total
from services.drift_detection.domain.performance.moments import STEPS
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.events import CalibrationTest

Float64 = NDArray[np.float64]

LEAST_P = 0.01
LEAST_ROWS = 30  # the normal approximation needs some


def check_calibration(scorer: Scorer, window: WindowOutcomes) -> CalibrationTest | None:
    """Chi-square, 2 degrees of freedom, on Σ(label - expected) over the rows, plain and weighted by the rank of their
    score (calibration in the large, and its slope; Cox 1958 tests the same two by logistic regression).

    The variance holds both the labels' chance and what the reference doesn't know. A regression may err as much to both
    sides as before and yet more: so there the mean of its bounded error is tested as well, and the smaller p doubled
    (Bonferroni). A sum that few rows decide (of a class of which hardly any is expected) is not tested. None with
    fewer than 30 rows, or where nothing is tested.
    """
    expected = Expected.of(scorer.reference, scorer.calibration, window.bins)
    if expected.total < LEAST_ROWS:
        return None
    statistic = _statistic(scorer, window, expected)
    chances = [] if statistic is None else [math.exp(-statistic / 2)]
    if scorer.calibration.kind == "regression":
        chances += _chance_of_error(scorer, window, expected)
    if not chances:
        return None
    p = min(len(chances) * min(chances), 1.0)
    return CalibrationTest(rows=int(expected.total), statistic=statistic, p=p, holds=p >= LEAST_P)


def _statistic(scorer: Scorer, window: WindowOutcomes, expected: Expected) -> float | None:
    curve = scorer.calibration.label
    weights = np.stack([np.ones_like(expected.rows), _ranks(expected.rows)])
    if any(expected.is_skewed(curve, each) for each in weights):
        return None
    realised = scorer.calibration.arrays.join(window.signals) * (scorer.calibration.bound / STEPS)
    found = weights @ (realised - expected.rows * expected.means(curve))
    return float(found @ np.linalg.pinv(expected.covariance(curve, weights), hermitian=True) @ found)


def _ranks(rows: Float64) -> Float64:
    """The middle rank of each group's rows, from -1 to 1."""
    return np.asarray((2 * np.cumsum(rows) - rows) / rows.sum() - 1)


def _chance_of_error(scorer: Scorer, window: WindowOutcomes, expected: Expected) -> list[float]:
    """The two-sided p of the sum of the last loss, `bounded_error`; none if it is not tested."""
    labels, curve = total(window.labels), scorer.calibration.risk
    each = np.ones_like(expected.rows)
    if expected.is_skewed(curve, each):
        return []
    realised = labels.sums[-1] / STEPS if labels else 0.0
    differs = abs(realised - float(expected.rows @ expected.means(curve)))
    deviation = expected.deviation(curve, each)
    return [math.erfc(differs / deviation / math.sqrt(2)) if deviation > 0 else 1.0]
