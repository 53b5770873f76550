"""What the side that reads outcomes tells the side of the models: labels of messages by window, and how far it read.

Each word follows on the one before: it tells what lies in `(after, until]` of one partition of the outcomes. A word
that is repeated, in whole or in part, changes nothing, as the offsets say what was taken in; one that came before the
word it follows on is left, since whoever sent it sends both again.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from services.drift_detection.domain.performance.outcomes import WindowOutcomes


class Labelled(NamedTuple):
    """What a message's labels for the window from `start` on add up to. `rows` says where their predictions stand: the
    highest offset by partition of the predictions.
    """

    start: int
    outcomes: WindowOutcomes
    rows: dict[int, int]


@dataclass(frozen=True)
class LabelEntry:
    """One message: its place, whose labels, its producer's `sequence`, the latest of its labels' times in microseconds
    (None: it has none that counts), and its labels by window.
    """

    offset: int
    model: str
    digest: str
    role: str
    producer: str
    sequence: int
    latest: int | None
    windows: tuple[Labelled, ...]


@dataclass(frozen=True)
class LabelWord:
    """Of one `partition` of the outcomes; `at_end` says that all of it was read, and that nothing comes just now."""

    partition: int
    after: int
    until: int
    at_end: bool
    entries: tuple[LabelEntry, ...] = ()


class Stream(NamedTuple):
    """Whose sequences grow."""

    producer: str
    digest: str
    role: str


@dataclass
class LabelHead:
    """How far a partition of the outcomes was taken in: `clocks` hold each model's latest label time in it, `sequences`
    the last one of each stream, the one that was heard of last at the end.
    """

    taken: int = -1
    at_end: bool = False
    clocks: dict[str, int] = field(default_factory=dict)
    sequences: dict[Stream, int] = field(default_factory=dict)
