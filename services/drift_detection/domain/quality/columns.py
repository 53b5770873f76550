"""The checks of single columns that a reference allows."""

from collections.abc import Callable
from typing import NamedTuple

from services.drift_detection.domain.quality.counts import Counts
from services.drift_detection.domain.quality.flat import FlatColumns
from services.drift_detection.domain.quality.rates import Forbidden, Known, Rate, Records
from shared.events.quality import Finding
from shared.reference import Clumps, Reference
from shared.reference.panes import Int64


class _Check(NamedTuple):
    """A rate, and what picks the rows it judges in a window, and of how many they are: int64 [N] each."""

    rate: Rate
    pick: Callable[[Counts], tuple[Int64, Int64]]


class ColumnChecks:
    """`number` checks of one reference."""

    def __init__(self, reference: Reference, clumps: Clumps) -> None:
        self._checks = [*_numeric(reference, clumps), _missing(reference, clumps), *_categorical(reference, clumps)]
        self._flat = FlatColumns(reference, clumps)
        self.number = sum(check.rate.number for check in self._checks) + self._flat.number

    def find(self, window: Counts, level: float) -> list[Finding]:
        """What is wrong, each check at this level."""
        found = [one for check in self._checks for one in check.rate.find(*check.pick(window), level)]
        return found + self._flat.find(window, level)


def _numeric(reference: Reference, clumps: Clumps) -> list[_Check]:
    pairs, usual = list(zip(reference.numeric, clumps.numeric, strict=True)), clumps.usual
    n = len(pairs)
    zeros = [Known(one.name, one.zeros, one.rows, clump.zeros, clump.most_zeros) for one, clump in pairs]
    low = [Known(one.name, 0, one.rows, clump.low) for one, clump in pairs]
    high = [Known(one.name, 0, one.rows, clump.high) for one, clump in pairs]
    under = [Known(one.name, clump.below_limit, one.rows, clump.low) for one, clump in pairs]
    over = [Known(one.name, clump.above_limit, one.rows, clump.high) for one, clump in pairs]
    return [
        _Check(Rate("zeros", zeros, usual), lambda window: (window.sketch.zeros[:n], window.present[:n])),
        _Check(Records("below_range", low, usual), lambda window: (window.sketch.outside[0, :n], window.present[:n])),
        _Check(Records("above_range", high, usual), lambda window: (window.sketch.outside[1, :n], window.present[:n])),
        _Check(Forbidden("below_limit", under, usual), lambda window: (window.facts.outside[0], window.present[:n])),
        _Check(Forbidden("above_limit", over, usual), lambda window: (window.facts.outside[1], window.present[:n])),
    ]


def _missing(reference: Reference, clumps: Clumps) -> _Check:
    pairs = zip(reference.columns, (*clumps.numeric, *clumps.scores), strict=True)
    known = [
        Known(one.name, one.missing, one.rows + one.missing, clump.missing, clump.most_missing) for one, clump in pairs
    ]
    return _Check(
        Rate("missing", known, clumps.usual), lambda window: (window.sketch.counts[:, 0], window.rows_of_numeric)
    )


def _categorical(reference: Reference, clumps: Clumps) -> list[_Check]:
    """A category is unseen as often as those that the reference saw just once (Good, 1953)."""
    pairs = list(zip(reference.categorical, clumps.categorical, strict=True))
    missing = [
        Known(one.name, one.missing, one.rows + one.missing, clump.missing, clump.most_missing) for one, clump in pairs
    ]
    unseen = [Known(one.name, one.unseen + one.counts.count(1), one.rows) for one, _ in pairs]
    return [
        _Check(
            Rate("missing", missing, clumps.usual), lambda window: (window.sketch.levels[:, 0], window.rows_of_levels)
        ),
        _Check(Rate("unseen", unseen, clumps.usual), lambda window: (window.sketch.unseen, window.level_present)),
    ]
