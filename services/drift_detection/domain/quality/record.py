"""What is remembered of a champion's data, in the form in which it is stored. Times are microseconds since 1970 UTC."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.drift_detection.domain.quality.arrival import Before
from services.drift_detection.domain.quality.facts import LAG_BOUNDS, Facts
from shared.reference.panes import Int64


class _Stored(BaseModel):
    """A part of the state; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class PaneNote(_Stored):
    """A window that was reported on. `told` is the digest of what the last report says, without its id and revision.

    `content` is that of its sketch, `lags` its rows by class of lag, those that are not 0. `share` of all rows that the
    champion answered when the window was first reported on.
    """

    start: int
    rows: int
    content: str
    lags: dict[int, int]
    share: float = 1.0
    told: str = ""
    revision: int = -1

    @classmethod
    def of(cls, start: int, rows: int, content: str, facts: Facts) -> Self:
        """Before its first report."""
        there = np.flatnonzero(facts.lags)
        lags = dict(zip(there.tolist(), facts.lags[there].tolist(), strict=True))
        return cls(start=start, rows=rows, content=content, lags=lags)

    @property
    def before(self) -> Before:
        """What the next window is compared with."""
        lags: Int64 = np.zeros(len(LAG_BOUNDS) + 1, dtype=np.int64)
        lags[list(self.lags)] = list(self.lags.values())
        return Before(self.content, lags)


class SilenceNote(_Stored):
    """A silence that was told: up to `end`, of so many panes; `taken_back` if rows came late after all."""

    start: int
    end: int
    revision: int = 0
    taken_back: bool = False


class QualityRecord(_Stored):
    """One champion: windows that may still be revised, in order of time, the last one that may not, and silences.

    `interrupted` is the start of the last window before another champion served: what follows it is no silence.
    """

    panes: list[PaneNote] = []
    base: PaneNote | None = None
    silences: list[SilenceNote] = []
    interrupted: int | None = None

    @property
    def starts(self) -> list[int]:
        """Of the windows with rows that are remembered, in order."""
        base = [] if self.base is None else [self.base.start]
        return base + [pane.start for pane in self.panes if pane.rows]

    @property
    def last(self) -> int:
        """The start of the last of them."""
        return max(self.starts, default=-(2**62))

    def interrupt(self) -> None:
        """Another champion serves: that this one has no more rows is no silence."""
        starts = self.starts
        self.interrupted = starts[-1] if starts else None
