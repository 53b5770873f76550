"""When labels are read, and when predictions: neither far ahead of the other, by Kafka's clock.

A label that comes before its prediction waits, and only so many are remembered; of predictions, too, whose ids tell no
time. After a stop there may be much more to read of one than of the other, and what had to go would meet nothing.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping

from aiokafka import TopicPartition
from structlog import get_logger

from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.message import InMessage
from shared.kafka.standing import Standing

log = get_logger()
_OTHER = {LABELS: PREDICTIONS, PREDICTIONS: LABELS}
_ASK_SECONDS = 0.5


class Turns:
    """Says which partitions to read: of those assigned, none whose topic is ahead of the other one. And labels only
    where the other workers' predictions of the same time are logged, which is asked for with the first label after
    `begin`, and after each `most` that are taken. Who makes no progress for `patience` seconds is not waited for.

    `taken` counts the labels that were ever taken.
    """

    def __init__(
        self, taken: Callable[[], int], most: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._taken = taken
        self._most = most
        self._patience = patience
        self._clock = clock
        self.begin({})

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Partitions were assigned, of which these are the next offsets to be logged."""
        self._next = dict(offsets)
        self._times: dict[TopicPartition, int] = {}
        self._moved: dict[TopicPartition, float] = {}
        self._counted = self._taken() + 1 - self._most
        self._settle()

    def passed(self, message: InMessage) -> None:
        """It was read."""
        place = TopicPartition(message.topic, message.partition)
        self._next[place] = max(message.offset + 1, self._next.get(place, 0))
        self._times[place] = max(message.timestamp_ms, self._times.get(place, 0))
        self._moved[place] = self._clock()

    async def turn(self, standing: Standing) -> Collection[TopicPartition] | None:
        """The assigned partitions to read now, None for all; raises KafkaError."""
        own = standing.heard()
        reached = self._reached(own)
        read = {place for place in own if self._times.get(place, 0) <= reached[_OTHER[place.topic]]}
        if self._taken() - self._counted >= self._most and not await self._is_met(standing, reached[LABELS]):
            read = {place for place in read if place.topic == PREDICTIONS}
        now = self._clock()
        self._moved |= {place: now for place in own if place not in read}  # it could not
        return None if len(read) == len(own) else read

    def _reached(self, ends: Mapping[TopicPartition, float]) -> dict[str, float]:
        """Up to when all messages of each topic's assigned partitions are read, as far as their ends were heard of."""
        now, reached = self._clock(), dict.fromkeys(_OTHER, math.inf)
        for place, end in ends.items():
            if self._next.get(place, 0) >= end:
                self._moved[place] = now
            elif now - self._moved.setdefault(place, now) <= self._patience:
                reached[place.topic] = min(reached[place.topic], self._times.get(place, 0))
        return reached

    def _settle(self) -> None:
        self._asked = -math.inf
        self._short: Mapping[TopicPartition, int] = {}
        self._grew = self._clock()

    async def _is_met(self, standing: Standing, reached: float) -> bool:
        """Whether the others have read the predictions that came until then, or before our last label."""
        now = self._clock()
        if now - self._asked < _ASK_SECONDS:
            return False
        self._asked = now
        predictions = {place for place in standing.all() if place.topic == PREDICTIONS}
        if not predictions:  # it is not known yet which there are
            return False
        last = max((at for place, at in self._times.items() if place.topic == LABELS), default=0)
        short = await standing.short(predictions.difference(standing.assigned), int(min(reached, last)))
        if short != self._short:
            self._short, self._grew = short, now
        if short and now - self._grew <= self._patience:
            return False
        if short:
            log.warning("predictions are not read; labels are, and may wait for them", unread=sorted(short))
        self._counted = self._taken()
        self._settle()
        return True
