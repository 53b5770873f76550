"""Difference in differences: how much more the outcome changed inside a slice than outside of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from services.drift_detection.domain.explain.outcomes import Float64, Outcome
from services.drift_detection.domain.explain.slices import LEAST_ROWS, Mask, Slice
from shared.reference.panes import Int64

_LEAST_BLOCKS = 4


@dataclass(frozen=True)
class Contrast:
    """The change of the mean `inside` and `outside`; the `difference` by blocks, its `standard_error`, its p-value.

    `outside` is the mean change of the feature's other parts, each weighted by its rows on both sides: so a part that
    merely became more frequent does not count as a change. `share` of the later rows that are inside.
    """

    inside: float
    outside: float
    difference: float
    standard_error: float
    p: float
    share: float

    @property
    def holds_the_change(self) -> bool:
        """Whether most of the change inside is not there outside; where all change alike, or what is outside changes
        more, the slice is not where it happened.
        """
        beyond = min(self.difference * np.sign(self.inside), (self.inside - self.outside) * np.sign(self.inside))
        return bool(beyond >= abs(self.inside) / 2 > 0)

    @property
    def explained(self) -> float:
        """How much of the change's spread over rows the slice accounts for."""
        return float((self.share * (1 - self.share)) ** 0.5 * abs(self.difference))


class _Gap(NamedTuple):
    """Of one side: inside less outside, its variance, and how many blocks it rests on."""

    value: float
    variance: float
    freedom: float


def contrast(outcome: Outcome, blocks: tuple[Int64, Int64], one: Slice) -> Contrast | None:
    """Of a slice; None if too few rows have an outcome. `blocks` int64 [n] of either side.

    In each block the mean inside less that outside, weighted by how sure it is; the blocks' own scatter gives the
    variance (as batch means do), so rows that depend on each other within one count no more than they should. Welch's
    t of the two sides.
    """
    values, inside = (outcome.before, outcome.after), one.inside
    gaps = [_gap(*side) for side in zip(values, inside, blocks, strict=True)]
    changes = _changes(values, one)
    if None in gaps or changes is None:
        return None
    before, after = (found for found in gaps if found)
    difference = after.value - before.value
    return Contrast(
        inside=changes[0],
        outside=changes[1],
        difference=difference,
        standard_error=float((after.variance + before.variance) ** 0.5),
        p=_p_value(difference, before, after),
        share=float(inside[1].mean()),
    )


def _changes(values: tuple[Float64, Float64], one: Slice) -> tuple[float, float] | None:
    """Of the mean inside, and outside."""
    least = min(int(parts.min(initial=0)) for parts in one.parts)
    width = max(int(parts.max(initial=0)) for parts in one.parts) - least + 1
    sides = [_sums(value, parts - least, width) for value, parts in zip(values, one.parts, strict=True)]
    (rows_before, sums_before), (rows_after, sums_after) = sides
    known = np.minimum(rows_before, rows_after) >= LEAST_ROWS
    changes = sums_after / np.maximum(rows_after, 1) - sums_before / np.maximum(rows_before, 1)
    outside = np.where(known, rows_before + rows_after, 0)
    outside[one.part - least] = 0
    if not (known[one.part - least] and outside.any()):
        return None
    return float(changes[one.part - least]), float(np.average(changes, weights=outside))


def _sums(values: Float64, parts: Int64, width: int) -> tuple[Int64, Float64]:
    """Rows and sums of those that are known, by part."""
    known = ~np.isnan(values)
    rows = np.bincount(parts[known], minlength=width).astype(np.int64)
    return rows, np.bincount(parts[known], weights=values[known], minlength=width).astype(np.float64)


def _gap(values: Float64, inside: Mask, blocks: Int64) -> _Gap | None:
    known = ~np.isnan(values)
    count = int(blocks.max(initial=0)) + 1
    rows, sums = np.zeros((2, count)), np.zeros((2, count))
    for place, chosen in enumerate((inside & known, ~inside & known)):
        rows[place] = np.bincount(blocks[chosen], minlength=count)
        sums[place] = np.bincount(blocks[chosen], weights=values[chosen], minlength=count)
    usable = rows.all(axis=0)
    if usable.sum() < _LEAST_BLOCKS:
        return None
    rows, sums = rows[:, usable], sums[:, usable]
    gaps, weights = np.subtract(*(sums / rows)), rows.prod(axis=0) / rows.sum(axis=0)
    weights /= weights.sum()
    value, effective = float(weights @ gaps), float(1 / np.square(weights).sum())
    scatter = float(np.square(weights) @ np.square(gaps - value)) * effective / max(effective - 1, 1e-9)
    return _Gap(value, scatter, max(effective - 1, 1.0))


def _p_value(difference: float, before: _Gap, after: _Gap) -> float:
    variance = before.variance + after.variance
    if variance <= 0:
        return 0.0 if difference else 1.0
    parts = sum(one.variance**2 / one.freedom for one in (before, after))
    return float(2 * special.stdtr(variance**2 / parts, -abs(difference) / variance**0.5))


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), in the same order."""
    order, worst = sorted(range(len(p_values)), key=p_values.__getitem__), 0.0
    adjusted = [1.0] * len(p_values)
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = worst
    return adjusted
