"""How often a feature stands still by itself: panes with the same bins occupied, and the same means, as before."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.events.base import Record
from shared.reference.basis import Float64
from shared.reference.dispersion import Cut, Cuts, Dispersion
from shared.reference.panes import MICROSECONDS, Int64, pane_starts
from shared.reference.variation import rate_dispersion

WINDOW_PAIRS = 19


class Flats(Record):
    """Of `pairs` of successive non-empty panes the `flat` ones, and how these come in runs."""

    pairs: int = Field(ge=0)
    flat: int = Field(ge=0)
    dispersion: Dispersion | None


def same_means(counts: Int64, sums: Int64, counts_before: Int64, sums_before: Int64) -> NDArray[np.bool_]:
    """Whether each occupied bin has, to a grid step, the mean that it had before, bool [...] of bins [..., B].

    `sums` are of places on the grid. A pane without rows is not flat.
    """
    occupied = counts > 0
    change = np.abs(sums / np.maximum(counts, 1) - sums_before / np.maximum(counts_before, 1))
    same = (counts_before > 0) & (change < 1)
    return np.asarray((same | ~occupied).all(axis=-1) & occupied.any(axis=-1))


def find_flats(times: Int64, bins: Int64, places: Float64, seconds: int, width: int) -> Flats:
    """The flat panes of a feature: rows in order of time with their bin (below `width`) and place on the grid [n]."""
    if not len(times):
        return Flats(pairs=0, flat=0, dispersion=None)
    starts, pane = np.unique(pane_starts(times, seconds), return_inverse=True)
    cells, where = np.unique(pane * width + bins, return_inverse=True)
    means = np.bincount(where, weights=places) / np.bincount(where)
    earlier = np.minimum(np.searchsorted(cells, cells - width), len(cells) - 1)
    same = (cells[earlier] == cells - width) & (np.abs(means - means[earlier]) < 1)
    moved = np.bincount(cells // width, weights=~same, minlength=len(starts))
    next_to = np.diff(starts) == seconds * MICROSECONDS
    flat = (moved[1:] == 0)[next_to]
    return Flats(
        pairs=len(flat), flat=int(flat.sum()), dispersion=rate_dispersion(flat, Cuts(Cut(len(flat), WINDOW_PAIRS)))
    )
