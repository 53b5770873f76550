"""Effect sizes of a window against the reference. They are shown, never alarm rules.

All functions take float or integer arrays [..., B] with one entry per bin and give float64 [...]. `counts` are the
window's, `expected` the reference's; `valid` says which of the B bins exist, the others hold 0. Each row needs at
least one count on both sides.
"""

import numpy as np
from numpy.typing import NDArray

from shared.reference.panes import Int64

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


def shares(counts: Int64, valid: Mask) -> Float64:
    """Shares of counts with half a count added to each bin (Jeffreys' prior): none is 0 where a bin exists."""
    padded = np.where(valid, counts + 0.5, 0.0)
    return np.asarray(padded / padded.sum(axis=-1, keepdims=True))


def psi(counts: Int64, expected: Int64, valid: Mask) -> Float64:
    """Population stability index Σ(a - e)·ln(a/e) over `shares` (Siddiqi, Credit Risk Scorecards, 2006)."""
    a, e = shares(counts, valid), shares(expected, valid)
    ratio = np.divide(a, e, out=np.ones_like(a), where=valid)
    return np.asarray(((a - e) * np.log(ratio, where=valid, out=np.zeros_like(a))).sum(axis=-1))


def kolmogorov_smirnov(counts: Int64, expected: Int64) -> Float64:
    """max |F - G| at the bins' edges: exact there, and less than the largest bin's share below that of the rows."""
    return np.asarray(np.abs(np.cumsum(_plain(counts), axis=-1) - np.cumsum(_plain(expected), axis=-1)).max(axis=-1))


def jensen_shannon(counts: Int64, expected: Int64) -> Float64:
    """Jensen-Shannon distance, base 2, from 0 to 1 (Lin 1991; its root is a metric: Endres, Schindelin 2003)."""
    a, e = _plain(counts), _plain(expected)
    middle = (a + e) / 2
    divergence = (_relative_entropy(a, middle) + _relative_entropy(e, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0, 1)))


def chi_square(counts: Int64, expected: Int64, valid: Mask) -> Float64:
    """Pearson's Σ(c - n·e)²/(n·e) with e from `shares` of the reference (Pearson 1900)."""
    wanted = counts.sum(axis=-1, keepdims=True) * shares(expected, valid)
    terms = np.divide((counts - wanted) ** 2, wanted, out=np.zeros_like(wanted), where=valid)
    return np.asarray(terms.sum(axis=-1))


def wasserstein(counts: Int64, means: Float64, expected: Int64, expected_means: Float64) -> Float64:
    """∫|F - G| dx (Vallender 1974), each side's rows of a bin taken to lie at their own mean in that bin.

    Means of the bins are what makes it right: from counts alone it is far off in the tails. Means of empty bins are
    not looked at.
    """
    weights = np.concatenate([_plain(counts), -_plain(expected)], axis=-1)
    places = np.concatenate([means, expected_means], axis=-1)
    places = np.where(weights == 0, 0.0, places)
    order = np.argsort(places, axis=-1)
    difference = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1)[..., :-1]
    widths = np.diff(np.take_along_axis(places, order, axis=-1), axis=-1)
    return np.asarray((np.abs(difference) * widths).sum(axis=-1))


def _plain(counts: Int64) -> Float64:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _relative_entropy(p: Float64, q: Float64) -> Float64:
    present = p > 0
    ratio = np.divide(p, q, out=np.ones_like(p), where=present)
    return np.asarray((p * np.log2(ratio)).sum(axis=-1))
