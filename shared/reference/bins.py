"""Bins by the rule of the detector."""

from collections.abc import Sequence

import numpy as np

from shared.features import MISSING, Float32, Int32
from shared.reference.panes import Int64

FINE = 60
COARSE = 20
MOST_LEVELS = 50
LEAST_COUNT = 20
# Index 0 is "missing"; bins begin at 1. A categorical feature has one more bin, "rare or unseen".
NUMERIC_WIDTH = FINE + 1
LEVEL_WIDTH = MOST_LEVELS + 2


def quantile(ordered: Float32, share: float) -> float:
    """The value at position ⌊share·m⌋ of m ordered values."""
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])


def quantile_edges(ordered: Float32, bins: int) -> Float32:
    """Inner edges of up to `bins` bins, rising: v[⌊i·m/60⌋] for the i that 60 and `bins` share.

    Taken before duplicates are removed; edges at or below the least value would bound an empty bin and are dropped.
    A value's bin is the number of edges at or below it.
    """
    if not len(ordered):
        return ordered
    positions = np.arange(FINE // bins, FINE, FINE // bins) * len(ordered) // FINE
    edges = np.unique(ordered[positions])
    return np.asarray(edges[edges > ordered[0]], dtype=np.float32)


def kept_levels(counts: Sequence[int]) -> tuple[int, ...]:
    """Codes that get a bin of their own: at most 50, each with a count of 20 or more, the most frequent first."""
    order = sorted(range(len(counts)), key=lambda code: (-counts[code], code))
    return tuple(code for code in order[:MOST_LEVELS] if counts[code] >= LEAST_COUNT)


def pooled_counts(counts: Sequence[int], kept: Sequence[int], unseen_rows: int = 0) -> tuple[int, ...]:
    """r_b of the detector: counts of the kept levels, then of "rare or unseen".

    The last one takes 20 more for each level that was kept with just 20 (while fewer than 50 are kept): a level as
    frequent as that falls to either side by chance, and without this the guarantee breaks.
    """
    own = [counts[code] for code in kept]
    rest = sum(counts) + unseen_rows - sum(own)
    at_the_limit = own.count(LEAST_COUNT) if len(kept) < MOST_LEVELS else 0
    return (*own, rest + LEAST_COUNT * at_the_limit)


def bins_of(values: Float32, edges: Sequence[float]) -> Int64:
    """The bin int64 [R] of each value: the number of edges at or below it; -1 is missing."""
    found = np.searchsorted(np.array(edges, dtype=np.float32), values, side="right").astype(np.int64)
    return np.where(np.isnan(values), -1, found)


def level_bins_of(codes: Int32, kept: Sequence[int]) -> Int64:
    """The bin int64 [R] of each code: its position among the kept ones, or the one after them; -1 is missing."""
    found = np.full(len(codes), len(kept), dtype=np.int64)
    for position, code in enumerate(kept):
        found[codes == code] = position
    found[codes == MISSING] = -1
    return found
