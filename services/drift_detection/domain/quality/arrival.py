"""How long rows take from their event time to the log, and whether that has become longer."""

from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.quality.bounds import drawn_tail
from services.drift_detection.domain.quality.facts import LAG_BOUNDS, Facts
from shared.events.quality import Arrival, Finding
from shared.reference.panes import MICROSECONDS, Int64

NUMBER = 1  # of checks
LONGER = 4  # times as long as before
LEAST = 0.5  # of a window: what is shorter changes nothing that matters


class Before(NamedTuple):
    """What is kept of the last window that had rows: its sketch's content, and rows by class of lag, int64 [79]."""

    content: str
    lags: Int64


def arrival(facts: Facts) -> Arrival | None:
    """Median and greatest; None without rows."""
    if not facts.lags.any():
        return None
    median, greatest = (value / MICROSECONDS for value in (_middle(facts.lags), facts.greatest))
    return Arrival(median_seconds=min(median, greatest), greatest_seconds=greatest)


def find_late(facts: Facts, before: Before | None, pane: int, level: float) -> list[Finding]:
    """Whether the median lag is 4 times that of the window before, and longer by half a pane (microseconds).

    And the rows above 4 times the old median are more than chance puts there, at `level` (Fisher's exact test).
    """
    if before is None or not before.lags.any() or not facts.lags.any():
        return []
    old, new = _middle(before.lags), _middle(facts.lags)
    limit = max(LONGER * old, old + LEAST * pane)
    if new < limit:
        return []
    bound = int(np.searchsorted(LAG_BOUNDS, LONGER * old, side="right"))
    late = (int(facts.lags[bound:].sum()), int(before.lags[bound:].sum()))
    rows = (int(facts.lags.sum()), int(before.lags.sum()))
    if drawn_tail(late[0], rows[0], sum(late), sum(rows)) > level:
        return []
    return [
        Finding(
            feature=None,
            kind="late",
            value=new / MICROSECONDS,
            expected=old / MICROSECONDS,
            low=None,
            high=limit / MICROSECONDS,
            severity="minor",
        )
    ]


def _middle(lags: Int64) -> float:
    """The geometric middle of the class that holds the median, in microseconds."""
    place = int(np.searchsorted(lags.cumsum(), (int(lags.sum()) + 1) // 2))
    bounds = (LAG_BOUNDS[max(place - 1, 0)], LAG_BOUNDS[min(place, len(LAG_BOUNDS) - 1)])
    return float(np.sqrt(float(bounds[0]) * float(bounds[1])))
