"""When labels are read, and when predictions: neither far ahead of the other, by Kafka's clock.

A label that comes before its prediction waits, and only so many are remembered; of predictions, too, whose ids tell no
time. After a stop there may be much more to read of one than of the other, and what had to go would meet nothing.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from aiokafka import TopicPartition

from services.feature_logging.stream.gate import Gate
from services.feature_logging.stream.patience import Patience
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.hooks import Turn
from shared.kafka.message import InMessage
from shared.kafka.reading import MOST_RECORDS
from shared.kafka.standing import Standing

_OTHER = {LABELS: PREDICTIONS, PREDICTIONS: LABELS}


class Turns:
    """Says which partitions to read: of those assigned none that is ahead of the other topic, or `slack` seconds ahead
    of its own; and of a topic no more than `most` rows ahead of the other workers. Who makes no progress for
    `patience` seconds is not waited for.

    `taken` tells how many rows of a topic ever were. Predictions may be `slack` ahead of other workers' labels, which
    has to be longer than those take to commit.
    """

    def __init__(
        self,
        taken: Callable[[str], int],
        most: Mapping[str, int],
        slack: float,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._taken = taken
        self._patience = Patience(patience, clock)
        self._slack_ms = int(slack * 1000)
        slacks = {LABELS: 0, PREDICTIONS: self._slack_ms}
        self._gates = {topic: Gate(_OTHER[topic], most[topic], slacks[topic], patience, clock) for topic in _OTHER}
        self.begin({})

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Partitions were assigned, of which these are the next offsets to be logged."""
        self._next = dict(offsets)
        self._times: dict[TopicPartition, int] = {}
        self._moves = Counter[TopicPartition]()
        self._patience.begin()
        for topic, gate in self._gates.items():
            gate.begin(self._taken(topic))

    def passed(self, message: InMessage) -> None:
        """It was read."""
        place = TopicPartition(message.topic, message.partition)
        self._next[place] = max(message.offset + 1, self._next.get(place, 0))
        if message.timestamp_ms > 0:  # else it could not be parsed
            self._times[place] = max(message.timestamp_ms, self._times.get(place, 0))
        self._moves[place] += 1

    async def turn(self, standing: Standing) -> Turn:
        """What of the assigned partitions to read now; of those whose times are not known yet it is a message."""
        begun, ends = self._next, standing.heard()
        unread = self._patience.waited_for(self._unread(ends))
        behind = {topic: self._behind(topic, unread) for topic in _OTHER}
        bounds = {topic: min(behind[other], behind[topic] + self._slack_ms) for topic, other in _OTHER.items()}
        read = {place for place in ends if self._times.get(place, 0) <= bounds[place.topic]}
        for topic, gate in self._gates.items():
            if not await gate.is_open(standing, self._taken(topic), self._until(topic, unread)):
                read = {place for place in read if place.topic != topic}
        if begun is not self._next:  # partitions were assigned meanwhile
            return Turn(())
        self._moves.update(unread - read)  # as if they did: they could not
        return Turn(None if len(read) == len(ends) else read, MOST_RECORDS if unread <= self._times.keys() else 1)

    def _unread(self, ends: Mapping[TopicPartition, float]) -> dict[TopicPartition, int]:
        """Those that have more to read, as far as their ends were heard of, with how often they gave something."""
        return {place: self._moves[place] for place, end in ends.items() if self._next.get(place, 0) < end}

    def _behind(self, topic: str, unread: Collection[TopicPartition]) -> float:
        return min((self._times.get(place, 0) for place in unread if place.topic == topic), default=math.inf)

    def _until(self, topic: str, unread: Collection[TopicPartition]) -> float | None:
        """Until when, in ms since 1970, a topic is read; None if that is not known of all of it."""
        if any(place.topic == topic and place not in self._times for place in unread):
            return None
        times = {place: time for place, time in self._times.items() if place.topic == topic}
        last = max(times.values(), default=None)
        return min((time for place, time in times.items() if place in unread), default=last)
