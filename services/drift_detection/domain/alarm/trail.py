"""The panes of one champion in order of time, each judged after those before it; late rows change the past."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.drift_detection.domain.alarm.days import in_range, sums_of
from services.drift_detection.domain.detector.bank import Memory, Step
from services.drift_detection.domain.state import Sums
from services.drift_detection.domain.watched import Watched
from shared.events import DriftedFeature
from shared.reference import Sketch
from shared.reference.panes import local_day
from shared.reference.segments import ALL


@dataclass(frozen=True)
class Verdict:
    """The streams that alarmed in a pane, and those that moved beside them."""

    alarms: tuple[DriftedFeature, ...] = ()
    also_moved: tuple[DriftedFeature, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The alarmed streams."""
        return frozenset(feature.stream for feature in self.alarms)


@dataclass
class Pane:
    """All that is known of the rows of one pane, by segment."""

    start: int
    sketches: dict[str, Sketch] = field(default_factory=dict)


def _start(pane: Pane) -> int:
    return pane.start


class Trail:
    """`base` is the detector's memory before all panes kept here."""

    def __init__(self, watched: Watched, base: Memory) -> None:
        self.base = base
        self.watched = watched
        self._panes: list[Pane] = []
        self._before: list[Memory] = []  # of the first panes; the rest is found when asked for

    def put(self, start: int, segment: str, sketch: Sketch) -> None:
        """Add a segment's rows of a pane, or take new ones for the old."""
        place = bisect_left(self._panes, start, key=_start)
        if place == len(self._panes) or self._panes[place].start != start:
            insort(self._panes, Pane(start), key=_start)
        self._panes[place].sketches[segment] = sketch
        del self._before[place + 1 :]

    def has(self, start: int, segment: str) -> bool:
        """Whether a pane's segment is there."""
        place = bisect_left(self._panes, start, key=_start)
        return place < len(self._panes) and self._panes[place].start == start and segment in self._panes[place].sketches

    def verdicts(self, since: int, before: int | None) -> Iterator[tuple[int, Verdict]]:
        """Starts and verdicts of the panes from the one that starts at `since` on, up to those that start `before`."""
        for number in self._between(since, before):
            step = self._step(number)
            findings = self.watched.findings
            yield step.start, Verdict(findings.named(step), findings.beside(step))

    def stop(self, since: int, before: int | None, most: int | None) -> int | None:
        """Before which start there are at most so many of these panes: `before`, or that of the first one too many."""
        panes = self._between(since, before)
        return before if most is None or len(panes) <= most else self._panes[panes[most]].start

    def _between(self, since: int, before: int | None) -> range:
        end = len(self._panes) if before is None else bisect_left(self._panes, before, key=_start)
        return range(bisect_left(self._panes, since, key=_start), end)

    def _step(self, number: int) -> Step:
        pane = self._panes[number]
        step = self.watched.bank.step(self._memory(number), pane.start, pane.sketches)
        if len(self._before) == number + 1:
            self._before.append(step.after)
        return step

    def _memory(self, number: int) -> Memory:
        if not self._before:
            self._before.append(self.base)
        while len(self._before) <= number:
            self._step(len(self._before) - 1)
        return self._before[number]

    def yesterday_in_range(self, days: Mapping[int, Sums], name: str, now: int, since: int) -> bool:
        """Whether a feature's last whole local day is as the reference's days are.

        `days` are the sums of the panes that are not kept here any more. The day must begin after `since`, the last
        alarm: one before and after a change says nothing.
        """
        zone = self.watched.reference.time_zone
        yesterday = local_day(now, zone) - 1
        if yesterday <= local_day(since - 1, zone):
            return False
        # The word of all rows of a pane may still be on its way when that of a segment is there.
        known = [pane for pane in self._panes if ALL in pane.sketches and local_day(pane.start, zone) == yesterday]
        parts = [sums_of(pane.sketches[ALL]) for pane in known]
        return in_range(self.watched, name, [*parts, *([days[yesterday]] if yesterday in days else [])])

    def forget(self, before: int) -> list[Pane]:
        """Fold the panes that start before this time into the base: no row can change them any more."""
        count = bisect_left(self._panes, before, key=_start)
        if count:
            self.base = self._memory(count) if count < len(self._panes) else self._step(count - 1).after
        forgotten = self._panes[:count]
        del self._panes[:count], self._before[:count]
        return forgotten
