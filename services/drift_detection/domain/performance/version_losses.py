"""Losses of a version's labelled rows, kept so that versions can be compared by them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.rollout.sums import PLACE, Sums
from services.drift_detection.domain.source.parts import WindowKey
from shared.reference.panes import Int64
from shared.subjects import GROUPS


def _none() -> Int64:
    return np.zeros(GROUPS, dtype=np.int64)


@dataclass(eq=False)
class VersionLosses:
    """`rows` and `sums` int64 [64] by group of request, as outcomes tell no entity; `squares`. Losses are whole steps
    of the grid; of a shadow they are differences from the champion's, and `beside` is the champion's own sum.
    """

    rows: Int64 = field(default_factory=_none)
    sums: Int64 = field(default_factory=_none)
    squares: int = 0
    beside: int = 0

    def add(self, groups: Int64, places: Int64, beside: Int64 | None, sign: int) -> None:
        """Take in losses int64 [n] of rows in these groups, or with the sign -1 take them back: exactly."""
        own = places if beside is None else places - beside
        np.add.at(self.rows, groups, sign)
        np.add.at(self.sums, groups, sign * own)
        self.squares += sign * int(np.dot(own, own))
        self.beside += 0 if beside is None else sign * int(beside.sum())

    def merge(self, other: "VersionLosses") -> None:
        """Take in those of another part of the same window."""
        self.rows += other.rows
        self.sums += other.sums
        self.squares += other.squares
        self.beside += other.beside

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionLosses) and self.told() == other.told()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def as_sums(self) -> Sums:
        """As a pane's sums, of which nothing but the loss is known."""
        sums, place = Sums.empty(), PLACE["loss"]
        sums.rows[place], sums.sums[place] = self.rows, self.sums
        sums.squares[place], sums.beside[place] = self.squares, self.beside
        return sums

    def told(self) -> list[list[int]]:
        """As whole numbers, to be stored and sent."""
        used = np.flatnonzero(self.rows | self.sums)
        return [[self.squares, self.beside], *np.stack([used, self.rows[used], self.sums[used]], axis=1).tolist()]

    @classmethod
    def of(cls, told: Sequence[Sequence[int]]) -> "VersionLosses":
        """The reverse; raises ValueError or IndexError if it is none."""
        (squares, beside), *groups = told
        found = cls(squares=int(squares), beside=int(beside))
        for group, rows, sums in groups:
            if not 0 <= group < GROUPS:
                raise ValueError(f"there is no group {group}")
            found.rows[group], found.sums[group] = rows, sums
        return found


class Settled(NamedTuple):
    """A canary's or a shadow's window whose labels are settled: its losses, and by digest those of `champions` in the
    same time, so far as they are counted on the same range.
    """

    key: WindowKey
    losses: VersionLosses
    champions: dict[str, VersionLosses]
