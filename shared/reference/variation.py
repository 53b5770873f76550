"""How the counts of a feature vary over the windows and panes of the reference: along directions, by bin, by level, and
how its rates do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.reference.basis import Float64, directions, smoothed
from shared.reference.dispersion import LEAST_EXPECTED, LEAST_LENGTH, Counted, Cut, Cuts, Dispersion, at_all_lengths
from shared.reference.panes import Int64

LEAST_OCCURRENCES = 20
LEVELS = 5  # of a categorical feature: the most frequent are assessed in any case


class Split(NamedTuple):
    """R rows by the bucket of their season: `buckets` int64 [R], and what is in each, `counts` int64 [K, B]."""

    buckets: Int64
    counts: Int64


def numeric_dispersion(bins: Int64, split: Split, cut: Cut) -> Dispersion:
    """Of coarse bins int64 [R] (-1 is missing) along `basis.directions` of each bucket; the surprise is Bernstein's."""
    shares = [smoothed(counts) for counts in split.counts]
    bases = [directions(share) for share in shares]
    least = min(len(basis) for basis in bases)
    values: Float64 = np.zeros((len(bins), least))
    for bucket, basis in enumerate(bases):
        rows = (split.buckets == bucket) & (bins >= 0)
        values[rows] = basis[:least, bins[rows]].T
    kurtosis = np.max([basis[:least] ** 4 @ share for basis, share in zip(bases, shares, strict=True)], axis=0)
    greatest = np.max([np.abs(basis[:least]).max(axis=1) for basis in bases], axis=0)
    present = cut.counts(np.minimum(bins, 0), 1)
    root = np.sqrt(np.maximum(present, 1))
    z = cut.sums(values) / root
    bernstein = z**2 / 2 / (1 + greatest * np.abs(z) / root / 3)
    return cut.assess(Counted(z, present[:, 0], kurtosis, bernstein))


def bins_dispersion(bins: Int64, split: Split, cut: Cut) -> Dispersion:
    """The same of each bin's share: for bets in any direction."""
    there = cut.counts(bins, split.counts.shape[1])
    rows = cut.counts(np.where(bins >= 0, split.buckets, -1), len(split.counts))
    shares = np.array([smoothed(counts) for counts in split.counts])
    expected, variance = rows @ shares, rows @ (shares * (1 - shares))
    return cut.assess(_counted(there, rows.sum(axis=1), (expected, variance), shares))


def level_dispersion(bins: Int64, pooled: Int64, cut: Cut) -> Dispersion:
    """Of a categorical feature's bins int64 [R] (-1 is missing), but for those too rare for the cut; `pooled` are its
    r_b. All are bet on: a level that comes in bursts, or at night alone, may be any of them.
    """
    shares = smoothed(pooled)
    most = np.argsort(-pooled, kind="stable")[: max(LEVELS, int((shares >= cut.least_share).sum()))]
    there = cut.counts(bins, len(pooled))
    rows, shares = there.sum(axis=1), shares[most]
    return cut.assess(_counted(there[:, most], rows, _moments(rows, shares), shares[None, :]))


def rate_dispersion(occurs: NDArray[np.bool_], cuts: Cuts) -> Dispersion | None:
    """Of an indicator bool [R]; None where it, or its opposite, occurs too seldom."""
    times = int(occurs.sum())
    if min(times, len(occurs) - times) < LEAST_OCCURRENCES:
        return None
    share = times / len(occurs)

    def assess(part: Cut) -> Dispersion:
        counts = part.counts(occurs.astype(np.int64), 2)
        rows, shares = counts.sum(axis=1), np.array([share])
        return part.assess(_counted(counts[:, 1:], rows, _moments(rows, shares), shares[None, :]))

    return at_all_lengths(assess, cuts, max(LEAST_LENGTH, LEAST_EXPECTED / min(share, 1 - share)))


def _moments(rows: Int64, shares: Float64) -> tuple[Float64, Float64]:
    """What is expected of counts [W, k], and its variance."""
    expected = rows[:, None] * shares
    return expected, expected * (1 - shares)


def _counted(counts: Int64, rows: Int64, moments: tuple[Float64, Float64], shares: Float64) -> Counted:
    """Of counts [W, k] of what has a share in each bucket, float64 [K, k]. (c - n·p) / √(n·p·(1 - p)); 0 where p is 1.

    The surprise is Chernoff's bound, n times the divergence of c/n from p (1952).
    """
    expected, variance = moments
    scale = np.sqrt(variance)
    z = np.divide(counts - expected, scale, out=np.zeros(counts.shape), where=scale > 0)
    alone = shares * (1 - shares)
    kurtosis = np.divide(1, alone, out=np.full(shares.shape, 6.0), where=alone > 0).max(axis=0) - 3
    others = rows[:, None]
    chernoff = _times_log(counts, expected) + _times_log(others - counts, others - expected)
    return Counted(z, rows, kurtosis, chernoff)


def _times_log(counts: Int64, expected: Float64) -> Float64:
    """c·ln(c / n·p), 0 where there are none."""
    ratio = np.divide(counts, expected, out=np.ones(counts.shape), where=(counts > 0) & (expected > 0))
    return np.asarray(counts * np.log(ratio), dtype=np.float64)
