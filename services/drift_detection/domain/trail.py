"""The panes of one champion in order of time, each judged against those before it; late rows change the past."""

from bisect import bisect_left, insort

from services.drift_detection.domain.jump_rule import JumpRule, LastSeen, PaneSums, Verdict


def _start(pane: PaneSums) -> int:
    return pane.start


class Trail:
    """`base` is what was seen last before all panes kept here."""

    def __init__(self, base: LastSeen) -> None:
        self.base = base
        self._panes: list[PaneSums] = []
        self._before: list[LastSeen] = []  # of the first panes; the rest is found when asked for

    def put(self, pane: PaneSums) -> None:
        """Add a pane, or take its new sums for its old ones."""
        place = bisect_left(self._panes, pane.start, key=_start)
        if place < len(self._panes) and self._panes[place].start == pane.start:
            self._panes[place] = pane
        else:
            insort(self._panes, pane, key=_start)
        del self._before[place + 1 :]

    def verdicts(self, rule: JumpRule, since: int) -> dict[int, Verdict]:
        """What jumped in the pane that starts at `since` and in all later ones, by their start.

        A later pane is judged against the last non-empty one before it, which may be the one at `since`.
        """
        place = bisect_left(self._panes, since, key=_start)
        found = range(place, len(self._panes))
        return {self._panes[number].start: rule.judge(self._panes[number], self._seen(number)) for number in found}

    def _seen(self, place: int) -> LastSeen:
        while len(self._before) <= place:
            number = len(self._before)
            earlier = self._before[-1].after(self._panes[number - 1]) if number else self.base
            self._before.append(earlier)
        return self._before[place]

    def forget(self, before: int) -> None:
        """Fold the panes that start before this time into the base: no row can change them any more."""
        count = bisect_left(self._panes, before, key=_start)
        for pane in self._panes[:count]:
            self.base = self.base.after(pane)
        del self._panes[:count]
        self._before.clear()
