"""Partitions that bring no rows of a model: when its windows end all the same, and what is said of rows that come then.

A row is too late by the clock of its own partition, so the slowest partition decides when a window ends. One without
rows would keep all windows for ever. So its clock counts as no less than the highest event time that the model had
anywhere at the end of the day of Kafka's (UTC, by LogAppendTime) that lies two days before the one up to which all
partitions were read. So a row is missed only if it was appended a whole day after one that lies past its window's end
by the lateness; it is told then.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord
from services.drift_detection.domain.state import Kept
from services.drift_detection.domain.watched import Watched
from shared.reference.segments import ALL

REST_DAYS = 2


def slowest_clock(heads: Collection[HeadWord], model: str, *, rest: bool = True) -> int | None:
    """The least clock that any partition counts with, in microseconds; None if one has none. Without `rest` each counts
    with its own.
    """
    day = min(head.read for head in heads) - REST_DAYS
    marks = [mark for head in heads for mark in head.marks.get(model, {}).items()] if rest else []
    least = [time for marked, time in marks if marked <= day]
    known = [[*least, *(time for whose, time in head.clocks.items() if whose == model)] for head in heads]
    return min(map(max, known)) if all(known) else None


class Missed(NamedTuple):
    """So many rows of a partition that a window does not have: those of its messages `after` this offset."""

    rows: int
    after: int


class Resting:
    """Of one model, what windows that are final have of partitions whose own clock has not passed their end. Changes
    `kept` in place, by partition and window; `changed` says that rows were missed, and that this is not stored yet.
    """

    def __init__(self, model: str, kept: dict[str, Kept]) -> None:
        self.changed = False
        self._model = model
        self._kept = kept

    def keep(
        self,
        ended: Iterable[WindowKey],
        parts: Mapping[WindowKey, Mapping[int, Partial]],
        heads: Mapping[int, HeadWord],
        catalogue: Mapping[str, Watched],
    ) -> None:
        """Note what these windows have, which end now. What no row can come for is forgotten."""
        for key in ended:
            watched = catalogue[key.digest]
            for number, part in parts[key].items() if key.segment == ALL else ():
                if self._is_behind(heads[number], _over(key, watched)):
                    self._note(number, key, part, watched)
        for name, kept in list(self._kept.items()):
            if not self._is_behind(heads[int(name.split("/", 1)[0])], kept.over):
                del self._kept[name]

    def missed(self, word: PartWord, watched: Watched, head: HeadWord) -> Missed | None:
        """What a part brings for a window that is final, beyond what it has or what was told; None if nothing.

        `head` is the last word of the partition. What its own clock has passed is said again, and was counted before.
        """
        over = _over(word.key, watched)
        if word.key.segment != ALL or not self._is_behind(head, over):
            return None
        kept = self._kept.get(_name(word.partition, word.key)) or Kept(offset=-1, rows=0, repeats=0, over=over)
        part, rows = word.part, word.part.sketch.rows
        if part.offset <= kept.offset or (rows, part.repeats) == (kept.rows, kept.repeats):
            return None
        self.changed = True
        self._note(word.partition, word.key, part, watched)
        return Missed(rows - kept.rows, kept.offset)

    def _is_behind(self, head: HeadWord, over: int) -> bool:
        return head.clocks.get(self._model, over - 1) < over

    def _note(self, number: int, key: WindowKey, part: Partial, watched: Watched) -> None:
        has = {"offset": part.offset, "rows": part.sketch.rows, "repeats": part.repeats}
        self._kept[_name(number, key)] = Kept(**has, over=_over(key, watched))


def _over(key: WindowKey, watched: Watched) -> int:
    """From which event time on, in a partition, a row of the window is too late there."""
    return key.start + watched.pane + watched.lateness


def _name(number: int, key: WindowKey) -> str:
    return f"{number}/{key.start}/{key.digest}/{key.role}"
