"""Bounds on counts of a window: exact for independent rows; rows in clumps count as so many fewer independent ones."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

Float64 = NDArray[np.float64]
Tail = Callable[[Float64], Float64]


def too_many(rows: Float64, tail: Tail, level: float) -> Float64:
    """The least count k in 1..n with P(K >= k) <= level, for n `rows` [N]; n + 1 where there is none.

    `tail` gives P(K >= k) for counts k [N] and falls with k.
    """
    low, high = np.zeros_like(rows), np.floor(rows) + 1  # low is possible, high is too many
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        far = tail(middle) <= level
        open_ = high - low > 1
        high = np.where(far & open_, middle, high)
        low = np.where(~far & open_, middle, low)
    return high


def rate_tail(rows: Float64, marked: Float64, of: Float64, effects: tuple[Float64, Float64], level: float) -> Tail:
    """P(Bin(n, p) >= k) at the upper bound p that the reference's `marked` of `of` rows leave at `level`.

    The bound is that of Clopper and Pearson. `effects` are the design effects of the window and of the reference.
    """
    here, there = effects
    bound = special.betaincinv(marked / there + 1, np.maximum(of - marked, 1e-9) / there, 1 - level)
    return lambda count: _binomial_tail(count / here, rows / here, np.where(marked >= of, 1.0, bound))


def _binomial_tail(count: Float64, rows: Float64, share: Float64) -> Float64:
    tail: Float64 = special.betainc(np.maximum(count, 1e-9), np.maximum(rows - count, 0) + 1, share)
    return np.where(count <= 0, 1.0, tail)


def record_tail(rows: Float64, of: Float64, effects: tuple[Float64, Float64]) -> Tail:
    """P(k or more of n rows lie beyond the greatest of `of` others) = Π_{i<k} (n-i)/(n+R-i), whatever they are."""
    n, r = rows / effects[0], of / effects[1]

    def tail(count: Float64) -> Float64:
        k = np.minimum(count / effects[0], n)
        log = special.gammaln(n + 1) - special.gammaln(n - k + 1)
        log += special.gammaln(n + r - k + 1) - special.gammaln(n + r + 1)
        chance: Float64 = np.exp(log)
        return chance

    return tail


def drawn_tail(count: int, drawn: int, marked: int, rows: int) -> float:
    """P(`count` or more of the `marked` ones of `rows` are among so many that are `drawn`): Fisher's exact test."""
    counts = np.arange(max(count, 0), min(marked, drawn) + 1)
    chances = np.exp(_ways(marked, counts) + _ways(rows - marked, drawn - counts) - _ways(rows, np.array(drawn)))
    return float(min(1.0, chances.sum()))


def _ways(of: int, taken: NDArray[np.int64]) -> Float64:
    """The logarithm of the binomial coefficient; -inf where there is no way."""
    ways: Float64 = special.gammaln(of + 1) - special.gammaln(taken + 1) - special.gammaln(of - taken + 1)
    return ways


def scaled(effect: Float64, rows: Float64, usual: float) -> Float64:
    """The design effect of a window of so many rows, from that of panes of the `usual` size: 1 + (φ-1)·n/usual."""
    return 1 + (effect - 1) * rows / max(usual, 1e-9)
