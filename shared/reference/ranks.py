"""The area under the ROC curve, of rows by rising groups of scores: float64 [G] of each class."""

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def area_under_curve(positive: Float64, negative: Float64) -> float | None:
    """The share of pairs of one row of each class that are in order; pairs inside a group count half.

    None where all rows are of one class.
    """
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs) if pairs > 0 else None


def pull(positive: Float64, negative: Float64) -> Float64:
    """How much the area grows, float64 [G], when the label of one row of the group goes from 0 to 1 (its derivative).

    0 where all rows are of one class.
    """
    area = area_under_curve(positive, negative)
    if area is None:
        return np.zeros_like(positive)
    below, above = np.cumsum(negative) - negative / 2, positive.sum() - np.cumsum(positive) + positive / 2
    change = below - above - area * (negative.sum() - positive.sum())
    return np.asarray(change / (positive.sum() * negative.sum()))
