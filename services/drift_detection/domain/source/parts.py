"""A source partition's part of a window, and what is said of rows read."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from services.drift_detection.domain.clock import Mask
from services.drift_detection.domain.source.beside import Answered, Beside
from services.drift_detection.domain.source.waiting import Waiting
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.features import Float32, Rows
from shared.reference import Sketch
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
    the higher offset is the newer, and holds all that the other does. `beside` is None for segments.
    """

    def __init__(
        self,
        content: Sketch | bytes,
        offset: int,
        repeats: int = 0,
        late_rows: int = 0,
        beside: Beside | bytes | None = None,
    ) -> None:
        """`content` is the sketch, or its bytes: most windows are not looked at again, and bytes take less memory."""
        self.offset = offset
        self.repeats = repeats
        self.late_rows = late_rows
        self._content = content
        self._waiting = Waiting()
        self._beside = beside or None

    @property
    def sketch(self) -> Sketch:
        """To look at."""
        self._count()
        return Sketch.from_bytes(self._content) if isinstance(self._content, bytes) else self._content

    @property
    def packed(self) -> bytes:
        """The sketch's bytes."""
        self._count()
        return self._content if isinstance(self._content, bytes) else self._content.to_bytes()

    def add(self, rows: Rows, scores: Float32, watched: Watched, answered: Answered | None = None) -> None:
        """Take in n rows with their scores float32 [n, k] and, unless it is a segment, what is counted beside.

        They are counted when there are many, or when one looks.
        """
        if self._waiting.add(rows, scores, watched, answered):
            self._count()

    def _count(self) -> None:
        if self._waiting:
            self._content = Sketch.from_bytes(self._content) if isinstance(self._content, bytes) else self._content
            self._beside = Beside.from_bytes(self._beside) if isinstance(self._beside, bytes) else self._beside
            self._waiting.count_into(self._content, self._beside)

    @property
    def beside(self) -> Beside | None:
        """What is counted beside the sketch, to look at and to change."""
        self._count()
        if isinstance(self._beside, bytes):
            self._beside = Beside.from_bytes(self._beside)
        return self._beside

    @property
    def beside_packed(self) -> bytes:
        """Its bytes; empty if there is none."""
        self._count()
        return self._beside.to_bytes() if isinstance(self._beside, Beside) else self._beside or b""

    def rest(self) -> None:
        """Keep bytes alone, as no rows are expected."""
        self._content, self._beside = self.packed, self.beside_packed or None


@dataclass(frozen=True)
class Tally:
    """Rows read of one source: all of them, and of these the repeats, the too late ones and those in the future.

    `appended` is the LogAppendTime of the last message, in microseconds; 0: not known.
    """

    rows: int = 0
    repeats: int = 0
    too_late: int = 0
    future: int = 0
    appended: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.rows + other.rows,
            self.repeats + other.repeats,
            self.too_late + other.too_late,
            self.future + other.future,
            max(self.appended, other.appended),
        )


class Taken(NamedTuple):
    """What became of a message's rows: the tally, and which of them came too late or lie in the future, bool [n].

    `highest` is the model's highest event time in the partition up to the message, None if there is none. `unplaced`
    failures were told of versions whose bundle is not at hand, or too late.
    """

    tally: Tally
    too_late: Mask
    future: Mask
    highest: int | None
    unplaced: int = 0


@dataclass(frozen=True)
class Message:
    """A message while it is taken in: `opened` are the parts that it may change."""

    offset: int
    batch: PredictionBatch
    watched: Watched
    appended: int
    opened: set[WindowKey] = field(default_factory=set)

    @cached_property
    def answered(self) -> Answered:
        """What is counted of its rows beside the sketch."""
        return Answered.of(self.batch, self.appended)
