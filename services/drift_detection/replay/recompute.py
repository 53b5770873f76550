"""Both sides of drift_detection in one process, over all messages of a model."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import NamedTuple

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.replay.after_end import AfterEnd, ReplayedPartition
from services.drift_detection.replay.sources import Message
from shared.errors import Unreadable
from shared.events import Event, WindowClosed, WindowRevised

_EVERY = 500  # messages
_MOST = 1_000  # windows at once
Word = WindowClosed | WindowRevised


class Span(NamedTuple):
    """Windows of one model that start in [start, end)."""

    model: str
    start: datetime
    end: datetime

    def holds(self, event: Event) -> bool:
        """Whether it is a window of this span."""
        return isinstance(event, Word) and event.model == self.model and self.start <= event.start < self.end


async def recompute(
    messages: AsyncIterator[Message], partitions: int, span: Span, after_end: AfterEnd, now: int = 0
) -> dict[str, Word]:
    """The last word on each window by its id, once all messages are read: `now`, in microseconds since 1970 UTC.

    While they are read no window ends by rest: it depends on what is read first, and some may still get rows that they
    had got. What they had not is known from `after_end`.
    """
    engine = Engine({number: ReplayedPartition(number, after_end) for number in range(partitions)}, {})
    words: dict[str, Word] = {}
    count = 0
    async for place, batch, watched in messages:
        count += 1
        try:
            engine.take(place, batch, watched)
        except Misfit as refused:
            engine.refuse(place, refused)
        except Unreadable:
            continue  # a dead-letter then, too
        if count % _EVERY == 0:
            _advance(engine, span, words)
    _advance(engine, span, words, at_end=range(partitions), now=now)
    return words


def _advance(engine: Engine, span: Span, words: dict[str, Word], at_end: Collection[int] = (), now: int = 0) -> None:
    more = True
    while more:
        more = engine.advance(at_end, _MOST, now)
        _collect(engine, span, words)
    engine.finish(rest=bool(at_end))
    _collect(engine, span, words)


def _collect(engine: Engine, span: Span, words: dict[str, Word]) -> None:
    watch = engine.watch(span.model)
    words.update({event.window_id: event for event in watch.outbox if isinstance(event, Word) and span.holds(event)})
    watch.sent(len(watch.outbox))
