"""How long labels take, and what those that take long are like: learnt from windows that wait for none any more."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from services.drift_detection.domain.performance.moments import Moments
from shared.reference.panes import MICROSECONDS, Int64

# Ends of the bins of lags, in microseconds: from 1 s, four to each doubling, up to 34 years.
EDGES: Int64 = np.rint(MICROSECONDS * 2.0 ** (np.arange(121) / 4)).astype(np.int64)
MOST_DAYS = 30
LEAST_ROWS = 1_000

LagTable = dict[int, Moments]


def lag_bins(lags: Int64) -> Int64:
    """The bin of each lag, int64 [n], of lags in microseconds int64 [n]: bin b ends at EDGES[b]."""
    return np.asarray(np.searchsorted(EDGES, lags, side="right"), dtype=np.int64)


@dataclass(frozen=True)
class Ahead:
    """Labels of which there is no word yet, per predicted row: a share of `rows`, and the sums of their quantities."""

    rows: float
    sums: tuple[float, ...]
    squares: tuple[float, ...]


@dataclass
class LagCurve:
    """Labels by lag over the last 30 days that had any, each the windows that started on it; `predicted` rows by day.

    Mergeable: exact sums of whole numbers, whatever the order in which windows end.
    """

    predicted: Counter[int] = field(default_factory=Counter)
    days: dict[int, LagTable] = field(default_factory=dict)
    whole: LagTable = field(default_factory=dict)  # the sum of the days

    def learn(self, day: int, predicted: int, labels: Mapping[int, Moments]) -> None:
        """Take in a window that started on `day` (any number of a day) and takes no more labels."""
        self.predicted[day] += predicted
        merge_into(self.days.setdefault(day, {}), labels)
        merge_into(self.whole, labels)
        for old in sorted(self.days)[:-MOST_DAYS]:
            for lag, moments in self.days.pop(old).items():
                self.whole[lag] -= moments
            del self.predicted[old]

    @property
    def rows(self) -> int:
        """Predicted rows in all of it."""
        return self.predicted.total()

    @property
    def is_known(self) -> bool:
        """Whether there is enough to judge by: 1,000 rows, and a label."""
        return self.rows >= LEAST_ROWS and bool(self.whole)

    def share(self, age: int) -> float:
        """The share of predicted rows that usually have their label at this age in microseconds."""
        return sum(part * moments.rows for part, moments in self._split(age)) / self.rows

    def ahead(self, age: int) -> Ahead:
        """What usually comes after this age. Needs `is_known`."""
        left = [(1 - part, moments) for part, moments in self._split(age)]
        width = len(left[0][1].sums)
        return Ahead(
            rows=sum(part * moments.rows for part, moments in left) / self.rows,
            sums=tuple(sum(part * moments.sums[at] for part, moments in left) / self.rows for at in range(width)),
            squares=tuple(sum(part * moments.squares[at] for part, moments in left) / self.rows for at in range(width)),
        )

    def _split(self, age: int) -> Iterable[tuple[float, Moments]]:
        """Each bin with the part of it that lies below `age`; in a bin, labels come evenly in time."""
        return [(_part_below(number, age), moments) for number, moments in self.whole.items()]


def merge_into(table: LagTable, more: Mapping[int, Moments]) -> None:
    """Add the moments of each lag."""
    for number, moments in more.items():
        table[number] = table[number] + moments if number in table else moments


def total(table: LagTable) -> Moments | None:
    """Over all lags; None without any."""
    moments = list(table.values())
    return sum(moments[1:], start=moments[0]) if moments else None


def _part_below(number: int, age: int) -> float:
    low = int(EDGES[number - 1]) if number else 0
    high = int(EDGES[min(number, len(EDGES) - 1)])
    return min(max((age - low) / (high - low), 0.0), 1.0) if high > low else float(age >= high)
