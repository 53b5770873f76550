"""Slices: the rows in which a feature has one level, or lies in one quarter of the reference."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.explain.sides import Sides
from services.drift_detection.domain.explain.words import interval_names
from shared.reference import NumericProfile, Reference
from shared.reference.bins import bins_of
from shared.reference.panes import Int64

Mask = NDArray[np.bool_]
LEAST_ROWS = 50  # on either side
_QUARTERS = 4


@dataclass(frozen=True)
class Slice:
    """Rows in which a `feature` is in its part number `part`; the `parts` int64 [n] of all rows on either side."""

    feature: str
    name: str
    part: int
    parts: tuple[Int64, Int64]

    @property
    def inside(self) -> tuple[Mask, Mask]:
        """Which rows are in it, bool [n], on either side."""
        before, after = self.parts
        return before == self.part, after == self.part

    @property
    def is_large_enough(self) -> bool:
        """Whether it and the rest have rows enough on both sides."""
        rows = [(int(side.sum()), len(side)) for side in self.inside]
        return all(LEAST_ROWS <= inside <= total - LEAST_ROWS for inside, total in rows)

    def without(self, other: "Slice") -> "Slice":
        """The same of the rows that are not in another one."""
        before, after = (parts[~inside] for parts, inside in zip(self.parts, other.inside, strict=True))
        return Slice(self.feature, self.name, self.part, (before, after))


def slices(sides: Sides, reference: Reference) -> list[Slice]:
    """Those that are large enough, by all features."""
    found = [*_by_level(sides, reference), *_by_quarter(sides, reference)]
    return [one for one in found if one.is_large_enough]


def _by_level(sides: Sides, reference: Reference) -> Iterator[Slice]:
    for column, profile in enumerate(reference.categorical):
        before, after = (side.rows.categorical[:, column].astype(np.int64) for side in (sides.before, sides.after))
        for code, level in enumerate(profile.categories):
            yield Slice(profile.name, f"{profile.name}={level}", code, (before, after))


def _by_quarter(sides: Sides, reference: Reference) -> Iterator[Slice]:
    for column, profile in enumerate(reference.numeric):
        edges = quarters(profile)
        before, after = (bins_of(side.rows.numeric[:, column], edges) for side in (sides.before, sides.after))
        for number, name in enumerate(interval_names(profile.name, edges) if edges else []):
            yield Slice(profile.name, name, number, (before, after))


def quarters(profile: NumericProfile) -> list[float]:
    """The edges of the reference's bins next to its quartiles; fewer than three where values are the same too often."""
    total = np.cumsum(profile.counts)
    reached: list[float] = []
    for quarter in range(1, _QUARTERS):
        place = int(np.searchsorted(total, profile.rows * quarter / _QUARTERS))
        reached += profile.edges[place : place + 1]
    return sorted(set(reached))
