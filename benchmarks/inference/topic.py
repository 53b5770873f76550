"""What came to the topic: after each run it must hold exactly the rows that were answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.batch import decode_batch
from shared.kafka.admin import PREDICTIONS

_PARTITIONS = tuple(TopicPartition(PREDICTIONS, number) for number in range(3))


class Topic:
    """Reads on from where it was, and only when it is asked: what it takes must not be taken from a measurement."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def rows(self, expected: int, seconds: float = 15, settle: float = 0.1) -> int:
        """Rows that came since the last call: waits for as many as are expected, and then a moment for more.

        What comes later still is seen by the next call.
        """
        self._consumer.resume(*_PARTITIONS)
        rows: int = 0
        until = asyncio.get_running_loop().time() + seconds
        while True:
            found = await self._consumer.getmany(timeout_ms=int(settle * 1_000))
            rows += sum(_answered(one.value or b"") for many in found.values() for one in many)
            if not found and (rows >= expected or asyncio.get_running_loop().time() > until):
                break
        self._consumer.pause(*_PARTITIONS)
        return rows


def _answered(value: bytes) -> int:
    """A message's rows, unless a shadow computed them."""
    batch = decode_batch(value)
    return 0 if batch.meta.role == "shadow" else len(batch)


@asynccontextmanager
async def open_topic(kafka: str) -> AsyncIterator[Topic]:
    """The topic of predictions on a broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=50)
    consumer.assign(_PARTITIONS)
    await consumer.start()
    try:
        for partition in _PARTITIONS:
            consumer.seek(partition, 0)
        consumer.pause(*_PARTITIONS)
        yield Topic(consumer)
    finally:
        await consumer.stop()
