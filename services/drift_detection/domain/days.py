"""Means of the last local days of a champion, against the range of the reference's days."""

from services.drift_detection.domain.jump_rule import PaneSums
from services.drift_detection.domain.state import Sums
from services.drift_detection.domain.watched import Watched
from shared.reference.panes import local_day

KEPT = 3  # today, the last whole day, and one more for late rows


class Days:
    """Sums by local day; changes `sums` in place."""

    def __init__(self, sums: dict[int, Sums]) -> None:
        self._sums = sums

    def replace(self, watched: Watched, new: PaneSums, old: PaneSums | None) -> None:
        """Count a pane's new sums in the place of its old ones."""
        day = local_day(new.start, watched.reference.time_zone)
        newest = max(self._sums, default=day)
        if day <= newest - KEPT:
            return
        present, sums = new.present.tolist(), new.sums.tolist()
        if old is not None:
            present, sums = (new.present - old.present).tolist(), (new.sums - old.sums).tolist()
        there = self._sums.setdefault(day, Sums(present=[0] * len(present), sums=[0] * len(sums)))
        there.present = [a + b for a, b in zip(there.present, present, strict=True)]
        there.sums = [a + b for a, b in zip(there.sums, sums, strict=True)]
        for outdated in [known for known in self._sums if known <= max(newest, day) - KEPT]:
            del self._sums[outdated]

    def in_range(self, watched: Watched, name: str, now: int, since: int) -> bool:
        """Whether the feature's mean over the last whole local day lies between those of the reference's days.

        That day must begin after `since`, the last alarm: a mean of hours before and after a change says nothing.
        """
        zone = watched.reference.time_zone
        yesterday = local_day(now, zone) - 1
        last = self._sums.get(yesterday) if yesterday > local_day(since - 1, zone) else None
        column = watched.definition.numeric.index(name)
        if last is None or not last.present[column]:
            return False
        measure, profile = watched.reference.measure, watched.reference.numeric[column]
        mean = float(measure.centre[column]) + float(measure.step[column]) * last.sums[column] / last.present[column]
        return profile.day_low <= mean <= profile.day_high
