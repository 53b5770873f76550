"""Topics read from the beginning of what is kept to where they end now, without a group."""

from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.errors import Unreadable
from shared.kafka.message import InMessage
from shared.kafka.reading import Reader, from_record


async def count_partitions(bootstrap: str, topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        Unreadable: the broker can't be reached, or has no such topic.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        described = await admin.describe_topics([topic])
    except KafkaError as error:
        raise Unreadable(f"Kafka at {bootstrap}: {error}") from error
    finally:
        await admin.close()
    if not (count := len(described[0]["partitions"])):
        raise Unreadable(f"Kafka at {bootstrap}: there is no topic {topic}")
    return count


class Topic:
    """One topic at a broker."""

    def __init__(self, bootstrap: str, name: str, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._places = [TopicPartition(name, number) for number in range(partitions)]
        self.begins: Mapping[int, int] = {}

    async def messages(self) -> AsyncIterator[InMessage]:
        """All that is kept, of each partition in its order. From the first message on `begins` holds the first offsets.

        Raises:
            Unreadable: the broker can't be reached.
        """
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        try:
            await consumer.start()
            async for message in self._read(consumer):
                yield message
        except KafkaError as error:
            raise Unreadable(f"Kafka at {self._bootstrap}: {error}") from error
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> AsyncIterator[InMessage]:
        consumer.assign(self._places)
        begins, ends = await consumer.beginning_offsets(self._places), await consumer.end_offsets(self._places)
        self.begins = {place.partition: offset for place, offset in begins.items()}
        for place, offset in begins.items():
            consumer.seek(place, offset)
        reader = Reader(consumer)
        while left := [place for place in self._places if await consumer.position(place) < ends[place]]:
            for place, records in (await reader.read(500, left)).items():
                for record in records:
                    if record.offset < ends[place]:
                        yield from_record(record)
