"""Where the partitions stand that a consumer reads, and that its group does."""

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

    async def read(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset to be read of each, by this consumer or by others of its group; not below the oldest."""
        own, oldest = self._consumer.assignment(), await self.earliest(places)
        others = await self.committed([place for place in places if place not in own])
        return {
            place: max(oldest[place], others[place] if place in others else await self._consumer.position(place))
            for place in places
        }

    async def read_from(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Of these assigned partitions, read those again that were committed further than told."""
        for place, committed in (await self.committed(offsets)).items():
            if committed > (offset := offsets[place]):
                log.warning("read again", topic=place.topic, partition=place.partition, first=offset, end=committed)
                self._consumer.seek(place, offset)
