"""Seasons: the hour of the day or the day of the week, by which a reference may be split."""

import numpy as np

from shared.monitoring import Season
from shared.reference.panes import Int64, local, pane_starts

BUCKETS: dict[Season, int] = {"none": 1, "hour_of_day": 24, "day_of_week": 7}
LEAST_ROWS = 1_000  # of a bucket; one with fewer is compared with all rows
_QUARTER = 900  # no zone's hour begins within a quarter of an hour


def bucket(time: int, season: Season, zone: str) -> int:
    """The bucket of a time in microseconds since 1970 UTC, by the clock of the business."""
    if season == "none":
        return 0
    clock = local(time, zone)
    return clock.hour if season == "hour_of_day" else clock.weekday()


def buckets(times: Int64, season: Season, zone: str) -> Int64:
    """The bucket of each time, int64 [n]."""
    starts, where = np.unique(pane_starts(times, _QUARTER), return_inverse=True)
    found = np.array([bucket(start, season, zone) for start in starts.tolist()], dtype=np.int64)
    return found[where] if len(found) else np.zeros(len(times), np.int64)


def counts_by_bucket(bins: Int64, of: Int64, season: Season, width: int) -> Int64:
    """Counts int64 [K, width] of bins int64 [R] (-1 counts nowhere); a bucket with few rows has those of all."""
    known, number = bins >= 0, BUCKETS[season]
    cells = of[known] * width + bins[known]
    counts = np.bincount(cells, minlength=number * width).reshape(number, width)
    few = counts.sum(axis=1) < LEAST_ROWS
    counts[few] = counts.sum(axis=0)
    return counts
