"""Counting a block of category codes by their bins."""

from collections.abc import Sequence

import numpy as np

from shared.features import MISSING, UNSEEN, Int32
from shared.reference.bins import LEVEL_WIDTH
from shared.reference.panes import Int64

_WIDTH = LEVEL_WIDTH + 1  # the last one for what is of no known category, until it joins the last bin


class LevelCounter:
    """Counts codes of C categorical columns, each with its kept codes, by a table from code to bin."""

    def __init__(self, kept: Sequence[Sequence[int]]) -> None:
        self._highest = max((max(codes, default=0) for codes in kept), default=0) + 1
        # codes from -2 up to one beyond the highest kept code, shifted to begin at 0
        width = self._highest - MISSING + 1
        self._table: Int64 = np.zeros((len(kept), width), dtype=np.int64)
        for column, codes in enumerate(kept):
            self._table[column, 1:] = len(codes) + 1
            self._table[column, UNSEEN - MISSING] = LEVEL_WIDTH
            self._table[column, np.array(codes, dtype=np.int64) - MISSING] = np.arange(len(codes)) + 1
            self._table[column] += column * _WIDTH
        self._begin: Int32 = np.arange(len(kept), dtype=np.int32) * width - MISSING
        self._columns = np.arange(len(kept))
        self._last = np.array([len(codes) + 1 for codes in kept], dtype=np.int64)

    def __call__(self, codes: Int32) -> tuple[Int64, Int64]:
        """Counts int64 [C, 52] of codes int32 [n, C], and how many of each column are of no known category, int64 [C].

        -2 is missing, counted at 0; levels begin at 1; -1 and whatever is not kept are in the last bin.
        """
        known = np.minimum(np.maximum(codes, MISSING), self._highest)
        bins = self._table.take(known + self._begin).reshape(-1)
        counts = np.bincount(bins, minlength=len(self._last) * _WIDTH).reshape(-1, _WIDTH)
        unseen = counts[:, LEVEL_WIDTH].copy()
        counts[self._columns, self._last] += unseen
        return counts[:, :LEVEL_WIDTH], unseen
