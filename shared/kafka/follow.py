"""Reading whole topics from their beginning, without a group: for what can be rebuilt from them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.message import InMessage


def from_record(record: ConsumerRecord) -> InMessage:
    """A record of aiokafka's as a message."""
    return InMessage(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp,
    )


async def follow(
    bootstrap: str,
    topics: Sequence[str],
    on_message: Callable[[InMessage], Awaitable[None]],
    caught_up: asyncio.Event,
    client_id: str,
) -> None:
    """Hand every message to `on_message`, for ever; `caught_up` is set once the end was reached.

    Order is kept within a partition. Raises what `on_message` raises, and KafkaError.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, client_id=client_id, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topics)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while True:
            records = await consumer.getmany(timeout_ms=200, max_records=500)
            for batch in records.values():
                for record in batch:
                    await on_message(from_record(record))
            if not caught_up.is_set() and await _reached(consumer, ends):
                caught_up.set()
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    partitions: list[TopicPartition] = []
    for topic in topics:
        while not (known := consumer.partitions_for_topic(topic)):
            consumer.subscribe(list(topics))  # makes aiokafka ask the broker for this topic
            await consumer.topics()
            consumer.unsubscribe()
            await asyncio.sleep(0.2)
        partitions += [TopicPartition(topic, number) for number in sorted(known)]
    return partitions


async def _reached(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True
