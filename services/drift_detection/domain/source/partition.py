"""What one source partition has brought so far: partial sketches, clocks and counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from services.drift_detection.domain.clock import Mask, Sorted, how_many, sort_rows
from services.drift_detection.domain.rollout.rows import add_failures
from services.drift_detection.domain.source.asides import Misfit, check, placed_failures, refused_rows
from services.drift_detection.domain.source.beside import Beside
from services.drift_detection.domain.source.parts import Message, Partial, Source, Taken, Tally, WindowKey
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.reference.panes import DAY, MICROSECONDS, Int64, microseconds, pane_starts
from shared.reference.segments import ALL

_DAYS = 4  # of a model's that are remembered

_NOTHING = Tally()


@dataclass
class PartitionState:
    """The state of one source partition up to `offset` (-1: nothing). A message at or below it is skipped.

    `clocks` hold each model's highest event time. A partial may be ahead of `offset` after a restart: its own offset
    says which messages it has taken in. `marks` hold, by model, that time at the end of the last days on which Kafka
    appended rows of it (days since 1970 UTC). `changed` are the partials not stored yet, `unsent` those not told to the
    models' side, `told` what was said last of how far it has come, and `read` up to which day.
    """

    number: int
    offset: int = -1
    clocks: dict[str, int] = field(default_factory=dict)
    marks: dict[str, dict[int, int]] = field(default_factory=dict)
    tallies: dict[Source, Tally] = field(default_factory=dict)
    partials: dict[WindowKey, Partial] = field(default_factory=dict)
    changed: set[WindowKey] = field(default_factory=set)
    unsent: set[WindowKey] = field(default_factory=set)
    told: dict[int, object] = field(default_factory=dict)
    read: int = 0

    def take(
        self,
        offset: int,
        batch: PredictionBatch,
        watched: Watched,
        appended: int,
        catalogue: Mapping[str, Watched] | None = None,
    ) -> Taken:
        """Take in a message appended at `appended` (LogAppendTime in microseconds) and say what became of its rows.

        Failures that it tells of are placed by the bundles in the `catalogue`.

        Raises:
            Misfit: the batch does not fit its bundle; nothing has changed then.
        """
        check(batch, watched)
        message = Message(offset, batch, watched, appended)
        times = microseconds(batch.event_time)
        clock = self.clocks.get(watched.model)
        rows = sort_rows(times, clock, watched.lateness, appended)
        for start, pane in _panes(times, rows, watched.definition.monitoring.pane_seconds):
            late = clock is not None and start + watched.pane <= clock
            for segment, inside in _segments(pane, batch, watched):
                self._fill(WindowKey(start, watched.digest, batch.meta.role, segment), inside, late, message)
        unplaced = self._place_failures(message, catalogue or {watched.digest: watched})
        self._move(message, rows.highest)
        return self._count(message, rows)._replace(unplaced=unplaced)

    def refuse(self, offset: int, refused: Misfit, appended: int) -> None:
        """Note the rows of a message that does not fit its bundle, in the panes where they should have been."""
        batch, watched = refused.batch, refused.watched
        message = Message(offset, batch, watched, appended)
        rows = refused_rows(refused, self.clocks.get(watched.model), appended)
        if batch.meta.role == "champion":
            for start, count in rows.panes.items():
                partial = self.open(WindowKey(start, watched.digest, batch.meta.role), message, watched)
                if partial is not None and partial.beside is not None:
                    partial.beside.facts.add_misfit(refused.reason, count)
            self.tally(watched, batch.meta.role, Tally(appended=appended))
        self._move(message, rows.highest)

    def _move(self, message: Message, highest: int | None) -> None:
        if highest is not None:
            self.clocks[message.watched.model] = highest
            marks = self.marks.setdefault(message.watched.model, {})
            marks[message.appended // (DAY * MICROSECONDS)] = highest
            for outdated in sorted(marks)[:-_DAYS]:
                del marks[outdated]
        self.offset = message.offset

    def _place_failures(self, message: Message, catalogue: Mapping[str, Watched]) -> int:
        """How many failed rows could not be placed."""
        clock = self.clocks.get(message.watched.model)
        placed = placed_failures(message.batch, catalogue, clock, message.appended)
        for start, watched, failed in placed:
            partial = self.open(WindowKey(start, watched.digest, failed.role), message, watched)
            if partial is not None and partial.beside is not None:
                add_failures(partial.beside.sums, failed)
            self.tally(watched, failed.role)
        told = sum(failed.total for failed in message.batch.meta.failed or ())
        return told - sum(one.failed.total for one in placed)

    def open(self, key: WindowKey, message: Message, watched: Watched) -> Partial | None:
        """The part of a window of a bundle, for the message to change; None if the message is in it already."""
        partial = self.partials.get(key)
        if partial is None:
            beside = Beside.empty(watched) if key.segment == ALL else None
            partial = self.partials[key] = Partial(watched.reference.empty_sketch(), -1, beside=beside)
        if message.offset <= partial.offset and key not in message.opened:
            return None
        message.opened.add(key)
        partial.offset = message.offset
        self.changed.add(key)
        self.unsent.add(key)
        return partial

    def _fill(self, key: WindowKey, rows: Mask, late: bool, message: Message) -> None:
        batch, watched = message.batch, message.watched
        if (partial := self.open(key, message, watched)) is None:
            return
        counted = rows & ~batch.repeat
        number = how_many(counted)
        known, scores, answered = batch.rows, batch.scores, message.answered if key.segment == ALL else None
        if number < len(batch):
            known, scores, answered = known[counted], scores[counted], answered and answered[counted]
        partial.add(known, scores, watched, answered)
        partial.repeats += how_many(rows) - number
        partial.late_rows += number if late else 0

    def _count(self, message: Message, rows: Sorted) -> Taken:
        batch = message.batch
        too_late = ~(rows.in_time | rows.future | batch.repeat)
        repeats = batch.repeat & ~rows.future
        told = how_many(repeats), how_many(too_late), how_many(rows.future)
        new = Tally(len(batch), *told, appended=message.appended)
        self.tally(message.watched, batch.meta.role, new)
        return Taken(new, too_late, rows.future, rows.highest)

    def tally(self, watched: Watched, role: str, new: Tally = _NOTHING) -> None:
        """Count rows, or note that there are parts of a bundle's windows of this role."""
        source = Source(watched.model, watched.digest, role)
        self.tallies[source] = self.tallies.get(source, _NOTHING) + new

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


def _panes(times: Int64, rows: Sorted, seconds: int) -> Iterator[tuple[int, Mask]]:
    """The panes that the rows in time lie in, and which lie there, bool [n]; most messages lie in one."""
    if rows.span is None:
        return
    first, last = pane_starts(np.array(rows.span), seconds).tolist()
    if first == last:
        yield first, rows.in_time
        return
    starts = pane_starts(times, seconds)
    for start in np.unique(starts[rows.in_time]).tolist():
        yield start, rows.in_time & (starts == start)


def _segments(rows: Mask, batch: PredictionBatch, watched: Watched) -> Iterator[tuple[str, Mask]]:
    """The segments that some of these rows, bool [n], are in, and which: first that of all."""
    yield ALL, rows
    for column, names in watched.levels.items():
        codes = batch.rows.categorical[:, column]
        for code in np.unique(codes[rows]).tolist():
            if code in names:
                yield names[code], rows & (codes == code)
