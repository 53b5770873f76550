"""What was said of windows, compared with a recomputation from all rows at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.events import DataQualityReported, Event, PerformanceMeasured, WindowClosed, WindowRevised
from shared.features import Rows
from shared.reference.panes import MICROSECONDS, moment, time_of
from tests.unit.drift_detection.pumps import SITES

Word = WindowClosed | WindowRevised
Content = tuple[int, Any, Any, Any]
Told = TypeVar("Told", DataQualityReported, PerformanceMeasured)


def last_words(said: Iterable[Event]) -> dict[str, Word]:
    """The last event of each window; no two events of one id differ, and revisions rise by one."""
    by_id: dict[str, Event] = {}
    last: dict[str, Word] = {}
    for event in said:
        assert by_id.setdefault(event.id, event) == event
        if isinstance(event, WindowClosed | WindowRevised):
            before = last.get(event.window_id)
            if before is None or event.revision > before.revision:
                assert event.revision == (0 if before is None else before.revision + 1)
                last[event.window_id] = event
    return last


def newest(said: Iterable[Event], kind: type[Told]) -> dict[str, Told]:
    """The event of the highest revision of each window; no two events of one id differ."""
    by_id: dict[str, Event] = {}
    last: dict[str, Told] = {}
    for event in said:
        assert by_id.setdefault(event.id, event) == event
        if isinstance(event, kind) and (event.window_id not in last or event.revision > last[event.window_id].revision):
            last[event.window_id] = event
    return last


def contents_of(said: Iterable[Event]) -> dict[str, Content]:
    """Of each window, by its last word."""
    return {name: content(word) for name, word in last_words(said).items()}


def content(word: Word) -> Content:
    """What a window says of its rows, however they came."""
    return word.rows, word.numeric, word.categorical, word.scores


class Offline:
    """All rows of these messages of one role, which none came too late of."""

    def __init__(self, messages: Sequence[PredictionBatch], watched: Watched) -> None:
        kept = [message for message in messages if not message.repeat.any()]
        self._watched = watched
        self._times = np.concatenate([message.event_time for message in kept]).astype(np.int64)
        self._scores = np.concatenate([message.scores for message in kept])
        numeric = np.concatenate([message.rows.numeric for message in kept])
        self._rows = Rows(numeric, np.concatenate([message.rows.categorical for message in kept]))

    def _inside(self, segment: str) -> NDArray[np.bool_]:
        if segment == "all":
            return np.ones(len(self._rows), np.bool_)
        codes: NDArray[np.bool_] = self._rows.categorical[:, 0] == SITES.index(segment.removeprefix("site="))
        return codes

    @property
    def newest(self) -> int:
        """The highest event time."""
        return int(self._times.max())

    def panes(self, segment: str = "all") -> list[int]:
        """The starts of the panes that have rows of a segment."""
        size = self._watched.pane
        return sorted(set((self._times[self._inside(segment)] // size * size).tolist()))

    def content(self, segment: str, start: int, end: int) -> Content:
        """Of the rows of a segment in [start, end)."""
        watched = self._watched.of(segment)
        sketch = watched.reference.empty_sketch()
        inside = self._inside(segment) & (self._times >= start) & (self._times < end)
        sketch.add(self._rows[inside], self._scores[inside], self._watched.reference.measure)
        return sketch.rows, *watched.describe(sketch.result(watched.reference.measure))

    def assert_said(self, said: Iterable[Event], until: int, segments: Sequence[str] = ("all",)) -> None:
        """All windows that end by `until` (microseconds) are there, and their last words are right."""
        words = list(last_words(said).values())
        for segment in segments:
            mine = [word for word in words if word.segment == segment]
            assert mine
            for word in mine:
                assert content(word) == self.content(segment, time_of(word.start), time_of(word.end))
            for seconds in (None, *self._watched.definition.monitoring.coarser):
                self._assert_whole([word for word in mine if word.scale_seconds == seconds], segment, seconds, until)
        assert {word.segment for word in words} <= set(segments)

    def _assert_whole(self, words: Sequence[Word], segment: str, seconds: int | None, until: int) -> None:
        """Each pane of windows that are over is in just one."""
        place = self._place(seconds)
        wanted = {place(pane) for pane in self.panes(segment)}
        told = [place(time_of(word.start)) for word in words if word.scale_rows is None]
        assert len(set(told)) == len(told)
        open_ones = {place(pane) for pane in self.panes(segment) if place(pane) >= place(until)}
        assert set(told) == wanted - open_ones

    def _place(self, seconds: int | None) -> Callable[[int], int]:
        """Which window of a scale a pane is in."""
        if seconds == 86_400:
            zone = ZoneInfo(self._watched.definition.monitoring.time_zone)
            return lambda start: moment(start).astimezone(zone).toordinal()
        size = seconds * MICROSECONDS if seconds else self._watched.pane
        return lambda start: start // size
