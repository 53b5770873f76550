"""How many rows the reference has in each pane of the local day and week, and how far their number swings."""

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared.events.base import Finite, Record
from shared.reference.panes import DAY, MICROSECONDS, Int64, local, pane_of_day, pane_starts

Float64 = NDArray[np.float64]

QUARTER = 900
ROUNDS = 5
LEAST_DAYS = 7  # whole local days, else no volume is expected at all
LEAST_WEEKS = 4  # of each weekday, else all days are taken together
MOST_DAYS = 366
MOST_PANES = 1 << 21
LEAST_MEAN = 5.0  # rows of a pane from which its tail is compared with that of a normal distribution
TAIL = 1_000


class Volume(Record):
    """Rows per pane, over whole local days of the reference.

    `rows` holds, for each of G groups of days one after the other, the sum of rows in each pane of the local day;
    `days` [G] how many days that is: G = 7, Monday first, or 1 for all days together. The variance of a pane with
    mean m is `clustering`·m + `swing`·m²: rows that come in bursts, and busy days.
    """

    rows: tuple[int, ...]
    days: tuple[int, ...]
    clustering: Finite = Field(ge=1)
    swing: Finite = Field(ge=0)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.days) not in (1, 7) or min(self.days) < 2 or len(self.rows) % len(self.days):
            raise ValueError("days needs one entry, or one per weekday, and rows as many for each")
        return self

    def expect(self, start: int, zone: str, seconds: int) -> tuple[float, int]:
        """Mean rows of the pane that begins at `start`, and of how many days that is the mean.

        Half a row is added to the sum, so that a pane that was always empty does not stand for certainty.
        """
        clock = local(start, zone)
        group = clock.weekday() if len(self.days) == 7 else 0
        place = group * (len(self.rows) // len(self.days)) + pane_of_day(start, zone, seconds)
        return (self.rows[place] + 0.5) / self.days[group], self.days[group]

    def variance(self, mean: float, days: int) -> float:
        """Of a new pane around a mean that was itself taken over so many days."""
        return (self.clustering * mean + self.swing * mean**2) * (1 + 1 / days)


@dataclass(frozen=True)
class _Panes:
    """All panes of whole local days: rows int64 [P], their cell int64 [P], and days per cell int64 [cells]."""

    rows: Int64
    cell: Int64
    days: Int64

    @property
    def mean(self) -> Float64:
        """Of each pane's cell."""
        return (self._sums[self.cell] + 0.5) / self.days[self.cell]

    @property
    def error(self) -> Float64:
        """Distance of each pane's rows to the mean of the other days, made comparable to a pane around a true mean."""
        days = self.days[self.cell]
        others = (self._sums[self.cell] - self.rows) / (days - 1)
        error: Float64 = (self.rows - others) / np.sqrt(1 + 1 / (days - 1))
        return error

    @property
    def _sums(self) -> Int64:
        return np.bincount(self.cell, weights=self.rows, minlength=len(self.days)).astype(np.int64)


def find_volume(times: Int64, zone: str, seconds: int) -> Volume | None:
    """The volume of rows with these event times int64 [R]; None for less than 7 whole local days.

    The first and the last local day are left out: they may not be whole. So is what lies more than a year before the
    end (less for panes of a few seconds): the newest says most, and one row of long ago must not cost memory.
    """
    per_day = DAY // seconds
    newest = times[times > times.max() - min(MOST_DAYS, MOST_PANES // per_day) * DAY * MICROSECONDS]
    starts, rows = _all_panes(newest, seconds)
    clock = _local_seconds(starts, zone)
    days = clock // DAY
    whole = (days > days[0]) & (days < days[-1])
    if int(days[-1] - days[0]) - 1 < LEAST_DAYS:
        return None
    groups, counts = _groups(days[whole])
    places = clock[whole] % DAY // seconds
    panes = _Panes(rows[whole], groups * per_day + places, np.repeat(counts, per_day))
    clustering, swing = _dispersion(panes)
    sums = np.bincount(panes.cell, weights=panes.rows, minlength=per_day * len(counts)).astype(np.int64)
    return Volume(rows=tuple(sums.tolist()), days=tuple(counts.tolist()), clustering=clustering, swing=swing)


def _all_panes(times: Int64, seconds: int) -> tuple[Int64, Int64]:
    """Starts and rows of all panes from the first to the last, the empty ones between them, too."""
    size = seconds * MICROSECONDS
    places = pane_starts(times, seconds) // size
    rows = np.bincount(places - places.min()).astype(np.int64)
    return (np.arange(len(rows)) + places.min()) * size, rows


def _local_seconds(starts: Int64, zone: str) -> Int64:
    """Wall clocks of the business as seconds since 1970: no zone changes its offset within a quarter of an hour."""
    quarters, where = np.unique(starts // (QUARTER * MICROSECONDS), return_inverse=True)
    offsets = [local(quarter * QUARTER * MICROSECONDS, zone).utcoffset() for quarter in quarters.tolist()]
    shifts = np.array([0 if offset is None else round(offset.total_seconds()) for offset in offsets], dtype=np.int64)
    clocks: Int64 = starts // MICROSECONDS + shifts[where]
    return clocks


def _groups(days: Int64) -> tuple[Int64, Int64]:
    """The group of each pane by its local day (counted from 1970), and the days of each group."""
    weekday = (days + 3) % 7  # 1 January 1970 was a Thursday
    of_each = np.bincount((np.unique(days) + 3) % 7, minlength=7).astype(np.int64)
    if of_each.min() >= LEAST_WEEKS:
        return weekday, of_each
    return np.zeros_like(weekday), np.array([of_each.sum()])


def _dispersion(panes: _Panes) -> tuple[float, float]:
    """`clustering` and `swing`: a line through error²/m over m, then raised to the tail.

    Raised until the pane that one of a thousand exceeds lies no further out than in a normal distribution.
    """
    mean, squares = panes.mean, panes.error**2
    clustering, swing = _line(mean, squares / mean)
    busy = mean >= LEAST_MEAN
    z = np.sort(np.abs(panes.error[busy]) / np.sqrt(clustering * mean[busy] + swing * mean[busy] ** 2))
    if len(z):
        far = ceil(len(z) / TAIL)
        raised = max(1.0, float(z[-far]) / NormalDist().inv_cdf(1 - far / (2 * len(z)))) ** 2 if len(z) > far else 1.0
        clustering, swing = clustering * raised, swing * raised
    return clustering, swing


def _line(mean: Float64, ratio: Float64) -> tuple[float, float]:
    """Intercept (at least 1) and slope (at least 0) of the ratio over the mean.

    By least squares whose weights are the inverse squares of the line itself, as the ratio's own variance grows.
    """
    intercept, slope = 1.0, 1.0
    for _ in range(ROUNDS):
        weights = (intercept + slope * mean) ** -2
        centre, level = (float(np.average(values, weights=weights)) for values in (mean, ratio))
        spread = float(np.average((mean - centre) ** 2, weights=weights))
        rise = float(np.average((mean - centre) * ratio, weights=weights))
        slope = max(0.0, rise / spread) if spread > 1e-9 * centre**2 else 0.0
        intercept = max(1.0, level - slope * centre)
        slope = max(0.0, (level - intercept) / centre)
    return intercept, slope
