"""Reading topics without a group, from their beginning or their last messages: for what can be rebuilt from them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from structlog import get_logger

from shared.kafka.message import InMessage
from shared.kafka.reading import Reader, from_record

log = get_logger()
# A fetch that waits for records holds up what is asked on its connection after it, such as where the end is.
_WAIT_MS = 100


async def follow(
    bootstrap: str,
    topics: Sequence[str],
    on_message: Callable[[InMessage], Awaitable[None]],
    caught_up: asyncio.Event,
    client_id: str,
) -> None:
    """Hand every message to `on_message`, for ever; `caught_up` is set once the end was reached. Who clears it is told
    when the end as it is from then on was reached.

    Order is kept within a partition. Waits for topics that are not there yet, and for a broker that goes away while
    it reads; a partition that is added later is not seen. A record that aiokafka can't parse comes without value.

    Raises:
        KafkaError: no broker can be reached at the start, or when the end is asked for, or it refuses.
        Exception: what `on_message` raises.
    """
    partitions = await _partitions(bootstrap, topics, client_id)
    async with _at_the_beginning(bootstrap, partitions, client_id) as consumer:
        reader = Reader(consumer)
        while True:
            for records in (await reader.read(_WAIT_MS)).values():
                for record in records:
                    await on_message(from_record(record))
            if not caught_up.is_set() and await _reached(consumer, await consumer.end_offsets(partitions)):
                caught_up.set()


async def keep_following(
    bootstrap: str,
    topic: str,
    on_message: Callable[[InMessage], Awaitable[None]],
    caught_up: asyncio.Event,
    client_id: str,
) -> None:
    """`follow` one topic whatever happens to the broker; after an error again from the beginning."""
    while True:
        try:
            await follow(bootstrap, [topic], on_message, caught_up, client_id)
        except KafkaError as error:
            log.warning("a topic can't be read, trying again", topic=topic, error=str(error))
            await asyncio.sleep(1)


async def tail(bootstrap: str, topic: str, most: int, client_id: str) -> list[InMessage]:
    """At most the last `most` messages of each partition, in its order, up to the end as it is now; waits for a topic
    that is not there yet.

    Raises:
        KafkaError: the broker can't be reached, or it refuses.
    """
    return [message async for message in scan(bootstrap, topic, client_id, last=most)]


async def begin_offsets(bootstrap: str, topic: str, client_id: str) -> dict[int, int]:
    """The first offset of each partition that is kept; waits and raises as `tail` does."""
    partitions = await _partitions(bootstrap, [topic], client_id)
    async with _at_the_beginning(bootstrap, partitions, client_id) as consumer:
        firsts = await consumer.beginning_offsets(partitions)
    return {place.partition: first for place, first in firsts.items()}


async def end_offsets(bootstrap: str, topic: str, client_id: str) -> dict[int, int]:
    """The next offset of each partition; waits and raises as `tail` does."""
    partitions = await _partitions(bootstrap, [topic], client_id)
    async with _at_the_beginning(bootstrap, partitions, client_id) as consumer:
        ends = await consumer.end_offsets(partitions)
    return {place.partition: end for place, end in ends.items()}


async def scan(
    bootstrap: str, topic: str, client_id: str, begins: Mapping[int, int] | None = None, last: int | None = None
) -> AsyncIterator[InMessage]:
    """The messages from the offsets `begins` on, of these partitions alone, or the `last` so many of each partition, or
    all that there are; up to the end as it is now, in the order of each partition. Waits and raises as `tail` does.
    """
    there = await _partitions(bootstrap, [topic], client_id)
    partitions = [place for place in there if begins is None or place.partition in begins]
    async with _at_the_beginning(bootstrap, partitions, client_id) as consumer:
        firsts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for place in partitions:
            wanted = (begins or {}).get(place.partition, 0) if last is None else ends[place] - last
            consumer.seek(place, min(ends[place], max(firsts[place], wanted)))
        reader = Reader(consumer)
        while not await _reached(consumer, ends):
            for place, records in (await reader.read(_WAIT_MS)).items():
                for record in records:
                    if record.offset < ends[place]:
                        yield from_record(record)


@contextlib.asynccontextmanager
async def _at_the_beginning(
    bootstrap: str, partitions: Sequence[TopicPartition], client_id: str
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=_WAIT_MS,
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str, topics: Sequence[str], client_id: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=client_id)
    said = False
    try:
        await admin.start()
        while True:
            found = [topic for topic in await admin.describe_topics(list(topics)) if topic["partitions"]]
            if len(found) == len(topics):
                break
            if not said:
                log.warning("waiting for topics", missing=sorted(set(topics) - {topic["topic"] for topic in found}))
                said = True
            await asyncio.sleep(0.5)
    finally:
        await admin.close()
    return [TopicPartition(topic["topic"], each["partition"]) for topic in found for each in topic["partitions"]]


async def _reached(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True
