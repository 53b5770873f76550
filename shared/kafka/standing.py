"""Where the partitions stand that a consumer reads, and that its group does."""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from structlog import get_logger

log = get_logger()


class Standing:
    """Asks through a consumer; whatever asks Kafka raises KafkaError."""

    def __init__(self, consumer: Any, topics: Sequence[str]) -> None:
        self._consumer = consumer
        self._topics = topics

    @property
    def assigned(self) -> Collection[TopicPartition]:
        """Those that this consumer reads."""
        found: Collection[TopicPartition] = self._consumer.assignment()
        return found

    def heard(self) -> dict[TopicPartition, float]:
        """What the end of each of them was when it was last heard of; infinite before that."""
        ends = {place: self._consumer.highwater(place) for place in self.assigned}
        return {place: math.inf if end is None else end for place, end in ends.items()}

    def all(self) -> set[TopicPartition]:
        """Those that the topics have, as far as is known: what is new is known within half a minute."""
        return {
            TopicPartition(topic, number)
            for topic in self._topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        }

    async def earliest(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The oldest offset that Kafka still has of each."""
        found: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(places))
        return found

    async def ends(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next message of each gets."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(list(places))
        return found

    async def committed(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of the group, whichever member reads; 0 if it has read none."""
        return {place: await self._consumer.committed(place) or 0 for place in places}

    async def until(self, places: Collection[TopicPartition], milliseconds: int) -> dict[TopicPartition, int]:
        """The offset of the first message of each that came later than this, in ms since 1970, or of its next."""
        times = dict.fromkeys(places, max(0, milliseconds + 1))
        # All at once: each may have to wait on its connection until a fetch has found something.
        later, ends = await asyncio.gather(self._consumer.offsets_for_times(times), self.ends(places))
        return {place: later[place].offset if later.get(place) else ends[place] for place in places}

    async def done(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of the group, of those that Kafka still has."""
        oldest, committed = await asyncio.gather(self.earliest(places), self.committed(places))
        return {place: max(oldest[place], at) for place, at in committed.items()}

    def read_from(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these assigned partitions again, from there."""
        for place, offset in offsets.items():
            log.warning("read again", topic=place.topic, partition=place.partition, first=offset)
            self._consumer.seek(place, offset)
