"""Difference in differences: how much more the outcome changed inside a slice than outside of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

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
    numbers, codes = zip(*(_known(*side) for side in zip(values, one.parts, strict=True)), strict=True)
    parts, weights, changes = np.unique(codes[1]), [], []
    for part in parts.tolist():
        sides = [number[code == part] for number, code in zip(numbers, codes, strict=True)]
        weights.append(sum(map(len, sides)) if min(map(len, sides)) >= LEAST_ROWS else 0)
        changes.append(float(sides[1].mean() - sides[0].mean()) if weights[-1] else 0.0)
    mine = parts == one.part
    outside = np.where(mine, 0, weights)
    if not (np.array(weights)[mine].any() and outside.any()):
        return None
    return float(np.array(changes)[mine][0]), float(np.average(changes, weights=outside))


def _known(values: Float64, parts: Int64) -> tuple[Float64, Int64]:
    known = ~np.isnan(values)
    return values[known], parts[known]


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
    return float(2 * student.sf(abs(difference) / variance**0.5, variance**2 / parts))


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), in the same order."""
    order, worst = sorted(range(len(p_values)), key=p_values.__getitem__), 0.0
    adjusted = [1.0] * len(p_values)
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = worst
    return adjusted
