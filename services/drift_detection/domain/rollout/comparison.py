"""One version beside one champion: its panes in order of time; late rows change the past."""

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.sums import Sums


class Pane(NamedTuple):
    """What both have in the pane that starts at `start`, in microseconds; either may be empty."""

    start: int
    version: Sums
    champion: Sums


@dataclass(frozen=True)
class Sofar:
    """All that is known: `evidence`, the rows answered on each side, and when they begin, None before any."""

    evidence: Evidence
    rows: int = 0
    champion_rows: int = 0
    start: int | None = None

    def after(self, pane: Pane, design: Design) -> "Sofar":
        """With a later pane."""
        return Sofar(
            self.evidence.after(pane.version, pane.champion, design),
            self.rows + pane.version.answered,
            self.champion_rows + pane.champion.answered,
            pane.start if self.start is None else self.start,
        )


def _start(pane: Pane) -> int:
    return pane.start


class Comparison:
    """`base` is what was known before all panes kept here. The steps are the same in any order of arrival."""

    def __init__(self, base: Sofar, design: Design) -> None:
        self.base = base
        self.design = design
        self._panes: list[Pane] = []
        self._after: list[Sofar] = []  # of the first panes; the rest is found when asked for

    def put(self, pane: Pane) -> None:
        """Add a pane, or take its new sums for its old ones."""
        place = bisect_left(self._panes, pane.start, key=_start)
        if place < len(self._panes) and self._panes[place].start == pane.start:
            self._panes[place] = pane
        else:
            insort(self._panes, pane, key=_start)
        del self._after[place:]

    def starts(self) -> list[int]:
        """Of the panes kept here, in order."""
        return [pane.start for pane in self._panes]

    def at(self, time: int) -> Sofar:
        """After the panes that start before a time, not before the base's end."""
        self.sofar()
        count = bisect_left(self._panes, time, key=_start)
        return self._after[count - 1] if count else self.base

    def sofar(self) -> Sofar:
        """After the last pane."""
        while len(self._after) < len(self._panes):
            before = self._after[-1] if self._after else self.base
            self._after.append(before.after(self._panes[len(self._after)], self.design))
        return self._after[-1] if self._after else self.base

    def forget(self, before: int) -> None:
        """Fold the panes that start before this time into the base: no row can change them any more."""
        count = bisect_left(self._panes, before, key=_start)
        if count:
            self.sofar()
            self.base = self._after[count - 1]
            del self._panes[:count], self._after[:count]
