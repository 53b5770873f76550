"""What the panes so far say of the differences, one step per pane in order of time.

A row's value X lies in [0, 1] and has, given the past and how many rows each version has in each pane, a mean m. For a
guess c in [0, 1] made before, a factor a <= 1 and 0 < l < 1, with u(l) = -ln(1 - l) - l,

    exp(±l·a·(X - m) - u(l·a)·(X - c)²)

has a mean of at most 1 (Fan, Grama, Liu 2015, lemma 4.1; Waudby-Smith, Ramdas, JRSS-B 2024, theorem 2), so the product
over rows is a supermartingale. Two versions in a pane of n and n' rows have the factors n'/(n+n') and n/(n+n'): then
the sum over the rows is w·(difference of the pane's means), w = n·n'/(n+n'). What both versions share in a pane, such
as the hour of the day, falls out, and so does a change of the canary's share. All that is needed of a pane are sums.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.rollout.sums import GRID, PLACE, Sums
from shared.rollout import METRICS, Metric
from shared.subjects import GROUPS

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Each is best for one size of difference; together they cover 10 rows to 10^9.
RATES: Float64 = 0.8 * np.exp2(-np.arange(16, dtype=np.float64))
LEARNED = 20  # rows of a version that its first guess is made of


@dataclass(frozen=True)
class Design:
    """How metrics are compared. `alone` [M]: a value is a difference already; `spread` [M]: the width of its range."""

    alone: Mask
    spread: Float64

    @classmethod
    def of(cls, role: Literal["canary", "shadow"]) -> Self:
        """A canary's rows are others than the champion's. A shadow's are the same, all answered by the champion."""
        alone, spread = np.zeros(len(METRICS), dtype=np.bool_), np.ones(len(METRICS))
        if role == "shadow":
            alone[[PLACE["score"], PLACE["error"], PLACE["loss"]]] = True
            spread[[PLACE["score"], PLACE["loss"]]] = 2
        return cls(alone, spread)


@dataclass(frozen=True)
class Evidence:
    """Sums over panes, of M metrics in units of their ranges; the version is at index 0 of pairs, the champion at 1.

    `gain` and `weight` [M]: their ratio is the difference. `cost` [M, J]: of each rate. `level` [M]: the champion's.
    `seen` and `total` [2, M]: all rows and their sum, for the next guess. `off` and `size` [2, M, 64]: what the rows
    of a group of subjects are off the guesses, and their weight; `scatter` [2, M]: the squares of that, row by row.
    `moments` [3, M]: of the panes' gain², gain·weight, weight²; `panes` [M]: how many count.
    """

    gain: Float64
    weight: Float64
    cost: Float64
    level: Float64
    seen: Float64
    total: Float64
    off: Float64
    size: Float64
    scatter: Float64
    moments: Float64
    panes: Float64

    @classmethod
    def nothing(cls) -> Self:
        """Before the first pane."""
        m = len(METRICS)
        one, pair, wide = (m,), (2, m), (2, m, GROUPS)
        shapes: list[tuple[int, ...]] = [one, one, (m, len(RATES)), one, pair, pair, wide, wide, pair, (3, m), one]
        return cls(*map(np.zeros, shapes))

    def after(self, version: Sums, champion: Sums, design: Design) -> "Evidence":
        """With one more pane. One in which either has no rows says nothing; the first rows only make the guess."""
        pane = _Pane.of(version, champion, design)
        rows = pane.rows.sum(axis=2)
        total = pane.sums.sum(axis=2)
        factor = self._factors(rows, design)
        guess = np.clip(self.total / np.maximum(self.seen, 1), -1, 1)
        squares = np.maximum(pane.squares - 2 * guess * total + rows * guess**2, 0)
        gain = factor[0] * total[0] - factor[1] * total[1]
        weight = factor[0] * rows[0]
        wide = factor[:, :, None]
        return replace(
            self,
            gain=self.gain + gain,
            weight=self.weight + weight,
            cost=self.cost + (_penalty(wide * RATES) * squares[:, :, None]).sum(axis=0),
            level=self.level + np.where(design.alone, factor[0] * pane.beside, factor[1] * total[1]),
            seen=self.seen + rows,
            total=self.total + total,
            off=self.off + wide * (pane.sums - guess[:, :, None] * pane.rows),
            size=self.size + wide * pane.rows,
            scatter=self.scatter + factor**2 * squares,
            moments=self.moments + np.stack([gain**2, gain * weight, weight**2]),
            panes=self.panes + (weight > 0),
        )

    def taking(self, metric: Metric, other: "Evidence") -> Self:
        """With what another says of one metric in place of its own."""
        place, taken = PLACE[metric], {}
        for name, own in vars(self).items():
            taken[name] = own.copy()
            at = (place,) if len(own) == len(METRICS) else (slice(None), place)
            taken[name][at] = getattr(other, name)[at]
        return replace(self, **taken)

    def _factors(self, rows: Float64, design: Design) -> Float64:
        """[2, M]; 0 where the pane says nothing."""
        learned = np.where(design.alone, self.seen[0], self.seen.min(axis=0)) >= LEARNED
        both = rows.sum(axis=0)
        split = rows[::-1] / np.maximum(both, 1) * (rows.min(axis=0) > 0)
        alone = np.stack([(rows[0] > 0).astype(np.float64), np.zeros(len(both))])
        factors: Float64 = np.where(design.alone, alone, split) * learned
        return factors


@dataclass(frozen=True)
class _Pane:
    """One pane's sums in units of the ranges: `rows`, `sums` [2, M, 64], `squares` [2, M], `beside` [M]."""

    rows: Float64
    sums: Float64
    squares: Float64
    beside: Float64

    @classmethod
    def of(cls, version: Sums, champion: Sums, design: Design) -> Self:
        unit = GRID * design.spread
        sides = [_known(version, np.zeros_like(design.alone)), _known(champion, design.alone)]
        told = np.stack([~unknown for unknown in sides])
        pair = (version, champion)
        return cls(
            rows=np.stack([side.rows for side in pair]).astype(np.float64) * told[:, :, None],
            sums=np.stack([side.sums for side in pair]) * told[:, :, None] / unit[:, None],
            squares=np.stack([side.squares for side in pair]) * told / unit**2,
            beside=version.beside / unit,
        )


def _known(sums: Sums, unused: Mask) -> Mask:
    """The metrics [M] that are left out of a version's sums."""
    out = unused.copy()
    if not sums.errors_known:
        out[PLACE["error"]] = True
    return out


def _penalty(rate: Float64) -> Float64:
    penalty: Float64 = -np.log1p(-rate) - rate
    return penalty
