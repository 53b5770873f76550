"""What one source partition has brought so far: partial sketches, clocks and counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.clock import Mask, Sorted, how_many, sort_rows
from services.drift_detection.domain.waiting import Waiting
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.features import Float32, Rows
from shared.reference import Measure, Sketch
from shared.reference.panes import Int64, microseconds, pane_starts
from shared.reference.segments import ALL


class WindowKey(NamedTuple):
    """One window of one (bundle digest, role, segment), by its start in microseconds since 1970 UTC."""

    start: int
    digest: str
    role: str
    segment: str = ALL


class Source(NamedTuple):
    """Whose rows they are."""

    model: str
    digest: str
    role: str


class Partial:
    """One partition's part of a window.

    `repeats` are kept out of the sketch; `late_rows` are in it, though the partition's clock had passed the window's
    end before they came. `offset` is that of the last message applied: of two of one window and partition the one with
    the higher offset is the newer, and holds all that the other does.
    """

    def __init__(self, content: Sketch | bytes, offset: int, repeats: int = 0, late_rows: int = 0) -> None:
        """`content` is the sketch, or its bytes: most windows are not looked at again, and bytes take less memory."""
        self.offset = offset
        self.repeats = repeats
        self.late_rows = late_rows
        self._content = content
        self._waiting = Waiting()

    @property
    def sketch(self) -> Sketch:
        """To look at."""
        content = self._counted()
        return Sketch.from_bytes(content) if isinstance(content, bytes) else content

    @property
    def packed(self) -> bytes:
        """The sketch's bytes."""
        content = self._counted()
        return content if isinstance(content, bytes) else content.to_bytes()

    def add(self, rows: Rows, scores: Float32, measure: Measure) -> None:
        """Take in n rows with their scores float32 [n, k]; they are counted when there are many, or when one looks."""
        if self._waiting.add(rows, scores, measure):
            self._counted()

    def _counted(self) -> Sketch | bytes:
        if self._waiting:
            self._content = Sketch.from_bytes(self._content) if isinstance(self._content, bytes) else self._content
            self._waiting.count_into(self._content)
        return self._content

    def rest(self) -> None:
        """Keep bytes alone, as no rows are expected."""
        self._content = self.packed


@dataclass(frozen=True)
class Tally:
    """Rows read of one source: all of them, and of these the repeats, the too late ones and those in the future."""

    rows: int = 0
    repeats: int = 0
    too_late: int = 0
    future: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.rows + other.rows,
            self.repeats + other.repeats,
            self.too_late + other.too_late,
            self.future + other.future,
        )


class Taken(NamedTuple):
    """What became of a message's rows: the tally, and which of them came too late or lie in the future, bool [n].

    `highest` is the model's highest event time in the partition up to the message, None if there is none.
    """

    tally: Tally
    too_late: Mask
    future: Mask
    highest: int | None


@dataclass
class PartitionState:
    """The state of one source partition up to `offset` (-1: nothing). A message at or below it is skipped.

    `clocks` hold each model's highest event time. A partial may be ahead of `offset` after a restart: its own offset
    says which messages it has taken in. `changed` are the partials not stored yet, `unsent` those not told to the
    models' side, `told` what was said last of how far it has come.
    """

    number: int
    offset: int = -1
    clocks: dict[str, int] = field(default_factory=dict)
    tallies: dict[Source, Tally] = field(default_factory=dict)
    partials: dict[WindowKey, Partial] = field(default_factory=dict)
    changed: set[WindowKey] = field(default_factory=set)
    unsent: set[WindowKey] = field(default_factory=set)
    told: dict[int, object] = field(default_factory=dict)

    def take(self, offset: int, batch: PredictionBatch, watched: Watched, appended: int) -> Taken:
        """Take in a message appended at `appended` (LogAppendTime in microseconds) and say what became of its rows.

        Raises:
            Unreadable: the batch does not fit its bundle; nothing has changed then.
        """
        _check(batch, watched)
        times = microseconds(batch.event_time)
        clock = self.clocks.get(watched.model)
        rows = sort_rows(times, batch.repeat, clock, watched.lateness, appended)
        starts = pane_starts(times, watched.definition.monitoring.pane_seconds)
        for start, pane in _panes(starts, rows.in_time):
            late = clock is not None and start + watched.pane <= clock
            for segment, inside in _segments(pane, batch, watched):
                key = WindowKey(start, watched.digest, batch.meta.role, segment)
                self._fill(key, _Part(offset, inside, late), batch, watched)
        if rows.highest is not None:
            self.clocks[watched.model] = rows.highest
        self.offset = offset
        return self._count(batch, rows)

    def _fill(self, key: WindowKey, part: "_Part", batch: PredictionBatch, watched: Watched) -> None:
        partial = self.partials.get(key)
        if partial is None:
            partial = self.partials[key] = Partial(watched.reference.empty_sketch(), -1)
        if part.offset <= partial.offset:
            return
        counted = part.rows & ~batch.repeat
        number = how_many(counted)
        everything = slice(None) if number == len(batch) else counted  # a slice copies nothing
        partial.add(batch.rows[everything], batch.scores[everything], watched.reference.measure)
        partial.repeats += how_many(part.rows) - number
        partial.late_rows += number if part.late else 0
        partial.offset = part.offset
        self.changed.add(key)
        self.unsent.add(key)

    def _count(self, batch: PredictionBatch, rows: Sorted) -> Taken:
        source = Source(batch.meta.model, batch.meta.digest, batch.meta.role)
        too_late = ~(rows.in_time | rows.future | batch.repeat)
        repeats = batch.repeat & ~rows.future
        new = Tally(len(batch), how_many(repeats), how_many(too_late), how_many(rows.future))
        self.tallies[source] = self.tallies.get(source, Tally()) + new
        return Taken(new, too_late, rows.future, rows.highest)

    def models(self) -> dict[str, str]:
        """The model of each bundle digest that was read here."""
        return {source.digest: source.model for source in self.tallies}

    def over(self, catalogue: Mapping[str, Watched]) -> list[WindowKey]:
        """The windows that no row of this partition can change any more, and that were stored and told."""
        found = []
        for key in self.partials.keys() - self.unsent - self.changed:
            watched = catalogue.get(key.digest)
            clock = None if watched is None else self.clocks.get(watched.model)
            if watched is not None and clock is not None and key.start + watched.pane <= clock - watched.lateness:
                found.append(key)
        return found


class _Part(NamedTuple):
    """The rows of a message, bool [n], that are in one pane."""

    offset: int
    rows: Mask
    late: bool


def _panes(starts: Int64, in_time: Mask) -> Iterator[tuple[int, Mask]]:
    """The panes that the rows in time lie in, and which lie there, bool [n]; most messages lie in one."""
    found = starts if how_many(in_time) == len(starts) else starts[in_time]
    if not len(found):
        return
    first, last = int(found.min()), int(found.max())
    if first == last:
        yield first, in_time
        return
    for start in np.unique(found).tolist():
        yield start, in_time & (starts == start)


def _segments(rows: Mask, batch: PredictionBatch, watched: Watched) -> Iterator[tuple[str, Mask]]:
    """The segments that some of these rows, bool [n], are in, and which: first that of all."""
    yield ALL, rows
    for column, names in watched.levels.items():
        codes = batch.rows.categorical[:, column]
        for code in np.unique(codes[rows]).tolist():
            if code in names:
                yield names[code], rows & (codes == code)


def _check(batch: PredictionBatch, watched: Watched) -> None:
    reference = watched.reference
    if batch.meta.model != watched.model:
        raise Unreadable(f"prediction batch: bundle {watched.digest} is of model {watched.model}")
    widths = (batch.rows.numeric.shape[1], batch.rows.categorical.shape[1], batch.scores.shape[1])
    expected = (len(reference.numeric), len(reference.categorical), len(reference.scores))
    if widths != expected:
        raise Unreadable(f"prediction batch: numeric, categorical, scores have {widths} columns, expected {expected}")
