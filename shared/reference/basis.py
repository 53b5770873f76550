"""The two directions in which a numeric feature's shares are watched: a shift and a change of spread."""

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_LEAST_NORM = 1e-6


def smoothed(counts: NDArray[np.int64] | NDArray[np.float64]) -> Float64:
    """p_b = (r_b + 1/2) / (Σr + B/2) of counts [B]: no bin has none (Jeffreys' prior)."""
    return np.asarray((counts + 0.5) / (counts.sum() + len(counts) / 2), dtype=np.float64)


def directions(p: Float64) -> Float64:
    """Up to two functions of the bin, float64 [k, B], with Σpφ = 0 and Σpφ² = 1, each orthogonal to the one before.

    Means over each bin of the shifted Legendre polynomials of the rank, of degree 1 and 2. Two bins have the first
    only, one bin none.
    """
    if len(p) < 2:
        return np.empty((0, len(p)))
    rank = np.concatenate([[0.0], np.cumsum(p)])
    integrals = [np.sqrt(3) * (rank**2 - rank), np.sqrt(5) * (2 * rank**3 - 3 * rank**2 + rank)]
    found: list[Float64] = []
    for integral in integrals[: len(p) - 1]:
        phi = np.diff(integral) / p
        phi -= p @ phi
        for earlier in found:
            phi -= (p @ (phi * earlier)) * earlier
        norm = np.sqrt(p @ phi**2)
        if norm >= _LEAST_NORM:
            found.append(phi / norm)
    return np.array(found).reshape(len(found), len(p))
