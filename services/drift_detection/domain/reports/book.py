"""The reports of one champion: on windows as they are published, and on silences between and after them."""

import hashlib
from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

from services.drift_detection.domain.quality.copies import content
from services.drift_detection.domain.quality.facts import LAG_BOUNDS, Facts
from services.drift_detection.domain.quality.record import PaneNote, QualityRecord, SilenceNote
from services.drift_detection.domain.reports.report import report
from services.drift_detection.domain.reports.silence import Gap, expected_in, least_silent, silence, told_part
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged
from shared.events import DataQualityReported


class Said(NamedTuple):
    """What is to be sent, and the start of a later window that must be looked at again, as it is compared with this."""

    events: list[DataQualityReported]
    again: int | None


class QualityBook:
    """Changes `record` in place. `share` is the part of all rows that the champion answers."""

    def __init__(self, digest: str, watched: Watched, record: QualityRecord) -> None:
        self._digest = digest
        self._watched = watched
        self._record = record
        self._under_way: int | None = None
        self._looked = 0  # up to where a silence after the last window was looked for

    def publish(self, window: Merged, facts: Facts, share: float = 1.0) -> Said:
        """Report on a window, unless the last word on it says the same; and on silences that it ends or divides."""
        record, start = self._record, window.key.start
        note = PaneNote.of(start, window.sketch.rows, content(window.sketch), facts)
        place = bisect_left(record.panes, start, key=_start)
        known = record.panes[place] if place < len(record.panes) and record.panes[place].start == start else None
        before = self._last(place)
        revision = 0 if known is None else known.revision + 1
        note.share = share if known is None else known.share
        told = report(window, facts, revision, None if before is None else before.before, note.share)
        fingerprint = _fingerprint(told)
        if known is not None and known.told == fingerprint:
            return Said([], None)
        note.told, note.revision = fingerprint, revision
        record.panes[place : place + (known is not None)] = [note]
        following = next((pane.start for pane in record.panes[place + 1 :] if pane.rows), None)
        changed = known is None or (known.content, known.lags) != (note.content, note.lags)
        return Said([told, *self._silences(share)], following if changed else None)

    def _last(self, place: int) -> PaneNote | None:
        """The last window with rows before this place."""
        rows = (pane for pane in reversed(self._record.panes[:place]) if pane.rows)
        return next(rows, self._record.base)

    def _silences(self, share: float) -> list[DataQualityReported]:
        """Compare the silences between windows with what was said of them."""
        starts, pane = self._record.starts, self._watched.pane
        gaps = [Gap(one + pane, two) for one, two in pairwise(starts) if two > one + pane]
        gaps = [gap for gap in gaps if gap.start - pane != self._record.interrupted]
        told = [event for gap in gaps for event in self._hear(gap, share, is_open=False)]
        ends = starts[-1:] + ([] if self._under_way is None else [self._under_way])
        there = {gap.start for gap in gaps} | {start + pane for start in ends}
        gone = [one for one in self._record.silences if one.start not in there and not one.taken_back]
        return told + [self._say(Gap(one.start, one.end), None, one) for one in gone]

    def _hear(self, gap: Gap, share: float, *, is_open: bool) -> list[DataQualityReported]:
        known = next((one for one in self._record.silences if one.start == gap.start), None)
        if known is not None and known.end == gap.end:
            return []
        least = least_silent(gap, self._watched, share)
        if least is None:
            return [self._say(gap, None, known)] if known is not None and not known.taken_back else []
        part = told_part(gap, least) if is_open else gap
        if known is not None and known.end == part.end and not known.taken_back:
            return []
        return [self._say(part, expected_in(part, self._watched, share), known)]

    def _say(self, gap: Gap, expected: float | None, known: SilenceNote | None) -> DataQualityReported:
        if known is None:
            known = SilenceNote(start=gap.start, end=gap.end, revision=-1)
            self._record.silences.append(known)
        known.end, known.taken_back, known.revision = gap.end, expected is None, known.revision + 1
        return silence(gap, expected, known.revision, self._digest, self._watched)

    def silent(self, now: int, share: float = 1.0, under_way: int | None = None) -> list[DataQualityReported]:
        """Whether the silence after the last window is one, as far as time has come: `now` is event time.

        `under_way` is the start of the last window with rows that is not published yet, if there is one.
        """
        self._under_way = under_way
        starts, pane = self._record.starts, self._watched.pane
        if starts and under_way is not None and under_way > starts[-1]:
            starts = [under_way]
        if not starts or starts[-1] == self._record.interrupted:
            return []
        gap = Gap(starts[-1] + pane, now // pane * pane)
        if gap.end <= max(gap.start, self._looked):
            return []
        self._looked = gap.end
        return self._hear(gap, share, is_open=True)

    @property
    def patience(self) -> int:
        """How late rows came at most, as far as is remembered, and how late the definition lets them; microseconds."""
        notes = [*self._record.panes, *([] if self._record.base is None else [self._record.base])]
        latest = max((max(note.lags) for note in notes if note.lags), default=0)
        return self._watched.lateness + int(LAG_BOUNDS[min(latest, len(LAG_BOUNDS) - 1)])

    def finish(self, end: int) -> None:
        """Windows that start before `end` can't change any more: keep the last one of them that had rows."""
        record = self._record
        place = bisect_left(record.panes, end, key=_start)
        record.base = self._last(place)
        del record.panes[:place]
        first = record.base.start if record.base is not None else end
        record.silences = [one for one in record.silences if one.start > first]


def _start(pane: PaneNote) -> int:
    return pane.start


def _fingerprint(told: DataQualityReported) -> str:
    return hashlib.sha256(told.model_dump_json(exclude={"id", "revision"}).encode()).hexdigest()[:32]
