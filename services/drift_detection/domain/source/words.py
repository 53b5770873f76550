"""What the side of the partitions tells the side of the models: parts of windows, and how far a partition has come.

A word is repeated, and old ones may come after new ones. Each says all there is up to an offset of its source
partition, so the one with the higher offset is right.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from services.drift_detection.domain.clock import EARLIEST, FUTURE, LATEST
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Partial, Source, Tally, WindowKey
from services.drift_detection.domain.watched import Watched
from shared.batch import Role
from shared.reference.panes import DAY, MICROSECONDS
from shared.reference.segments import ALL

_MINUTE = 60 * MICROSECONDS
_REST = 20  # rounds without a message of a bundle


def home_of(model: str, partitions: int) -> int:
    """The partition of the partials, of so many, that all words on a model go to."""
    return zlib.crc32(model.encode()) % partitions


@dataclass(frozen=True)
class PartWord:
    """A source partition's part of a window, all of it up to the part's offset."""

    model: str
    partition: int
    key: WindowKey
    part: Partial

    def fits(self, watched: Watched) -> bool:
        """Whether it is of a window that this bundle can have."""
        key, part, beside = self.key, self.part, self.part.beside
        known = key.segment == ALL or key.segment in watched.reference.segments
        known &= key.role in get_args(Role) and EARLIEST <= key.start <= LATEST and key.start % watched.pane == 0
        known &= part.repeats >= 0 and part.late_rows >= 0
        shapes = [(one.counts.shape, one.levels.shape) for one in (watched.reference.empty_sketch(), part.sketch)]
        whole = beside is None if key.segment != ALL else beside is not None and beside.fits(watched)
        return known and whole and self.model == watched.model and shapes[0] == shapes[1]


@dataclass(frozen=True)
class HeadWord:
    """How far a source partition has come: `at_end` says that all of it was read, and that nothing comes just now.

    `clocks` hold each model's highest event time in it, `tallies` its rows, `newest` is the LogAppendTime of its last
    message of any model (0: none), to a minute. All parts of windows that end by a model's
    clock were told before, and with `at_end` all parts. What Kafka appended before the day `read` (since 1970 UTC) was
    read and told; `marks` hold by model the highest event time at the end of the last days that brought any.
    """

    partition: int
    offset: int = -1
    at_end: bool = False
    clocks: dict[str, int] = field(default_factory=dict)
    tallies: dict[Source, Tally] = field(default_factory=dict)
    newest: int = 0
    read: int = 0
    marks: dict[str, dict[int, int]] = field(default_factory=dict)


Word = PartWord | HeadWord


class Telling:
    """Finds what a source partition has to tell, in the order in which it must be said: parts, then heads.

    Of a stream that runs, an open window is told once its partition's own clock has passed its end; while nothing
    comes, or nothing of its bundle for a while, or a day of Kafka's begins, whatever there is.
    """

    def __init__(self, catalogue: Mapping[str, Watched], homes: int) -> None:
        self._catalogue = catalogue
        self._homes = homes
        self._rounds: dict[int, dict[str, tuple[int, int]]] = {}  # by partition and bundle: offset, rounds since

    def words(self, state: PartitionState, *, at_end: bool, now: int = 0) -> list[tuple[int, Word]]:
        """What is due, each with the partition it goes to; `at_end` is the head's, `now` the time in microseconds since
        1970 UTC if it is known.
        """
        models = state.models()
        newest = max((rows.appended for rows in state.tallies.values()), default=0)
        read = max(newest, now - FUTURE if at_end else 0) // (DAY * MICROSECONDS)
        everything, state.read = at_end or read > state.read, max(read, state.read)
        resting = self._resting(state, models)
        due = sorted(key for key in state.unsent if everything or key.digest in resting or self._is_due(key, state))
        state.unsent.difference_update(due)
        said: list[tuple[int, Word]] = []
        for key in due:
            model, part = models[key.digest], state.partials[key]
            part.rest()
            copy = Partial(part.packed, part.offset, part.repeats, part.late_rows, part.beside_packed)
            said.append((home_of(model, self._homes), PartWord(model, state.number, key, copy)))
        return said + self._heads(state, at_end, newest // _MINUTE * _MINUTE)

    def _resting(self, state: PartitionState, models: Mapping[str, str]) -> set[str]:
        """The bundles with open windows of which nothing came for so many rounds, whatever came of others."""
        last: dict[str, int] = {}
        for key in state.unsent:
            last[key.digest] = max(state.partials[key].offset, last.get(key.digest, -1))
        before = self._rounds.get(state.number, {})
        now: dict[str, tuple[int, int]] = {}
        for digest, at in last.items():
            known, rounds = before.get(digest, (at, -1))
            now[digest] = (at, rounds + 1 if known == at else 0)
        self._rounds[state.number] = now
        return {digest for digest, (_, rounds) in now.items() if digest in models and rounds >= _REST}

    def _is_due(self, key: WindowKey, state: PartitionState) -> bool:
        watched = self._catalogue.get(key.digest)  # none: its bundle can't be read just now, so nor can its size
        return watched is None or key.start + watched.pane <= state.clocks.get(watched.model, key.start)

    def _heads(self, state: PartitionState, at_end: bool, newest: int) -> list[tuple[int, Word]]:
        said: list[tuple[int, Word]] = []
        for home in range(self._homes):
            clocks = {model: time for model, time in state.clocks.items() if home_of(model, self._homes) == home}
            marks = {model: dict(days) for model, days in state.marks.items() if model in clocks}
            tallies = {
                whose: rows for whose, rows in state.tallies.items() if home_of(whose.model, self._homes) == home
            }
            if state.told.get(home) != (news := (at_end, clocks, tallies, newest, state.read, marks)):
                state.told[home] = news
                said.append((home, HeadWord(state.number, state.offset, *news)))
        return said
