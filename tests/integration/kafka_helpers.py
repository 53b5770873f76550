"""What tests of `shared.kafka` on a real broker share."""

import asyncio
import contextlib
import socket
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record.util import calc_crc32c

from shared.errors import Unreadable
from shared.kafka.admin import DEAD_LETTERS, Topic, ensure_topics
from shared.kafka.consumer import CommitPolicy, ConsumeLoop, ConsumerConfig
from shared.kafka.follow import follow
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def make_topic(kafka: str, partitions: int = 1) -> str:
    """A fresh topic."""
    name = f"test-{uuid.uuid4().hex}"
    await ensure_topics(kafka, [Topic(name, (), (), "", partitions)])
    return name


@contextlib.asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[Producer]:
    """A producer, while the body runs."""
    producer = Producer(kafka, "test")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def following(kafka: str, *topics: str) -> AsyncIterator[tuple[list[InMessage], asyncio.Event]]:
    """What `follow` hears while the body runs, and whether it has caught up."""
    seen: list[InMessage] = []
    caught_up = asyncio.Event()

    async def note(message: InMessage) -> None:
        seen.append(message)

    task = asyncio.create_task(follow(kafka, topics, note, caught_up, "test"))
    try:
        yield seen, caught_up
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Worker:
    """A consume loop that counts what it handles; values that start with `bad` are unreadable to it."""

    def __init__(self, kafka: str, topic: str, group: str, policy: CommitPolicy) -> None:
        self.handled: Counter[tuple[int, int]] = Counter()
        self.values: list[bytes | None] = []
        self.crash_at: bytes | None = None
        self.producer = Producer(kafka, "worker")
        config = ConsumerConfig(kafka, group, (topic,), "worker", policy)
        self.loop = ConsumeLoop(config, self.producer, self.handle)

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        """Count it."""
        if message.value is None or message.value.startswith(b"bad"):
            raise Unreadable("a bad value")
        if message.value == self.crash_at:
            raise ZeroDivisionError
        self.handled[message.partition, message.offset] += 1
        self.values.append(message.value)
        return []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Worker"]:
        """Run until the end of the block; raises what the loop raised."""
        task = asyncio.create_task(self.loop.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.producer.stop()


async def committed(kafka: str, topic: str, group: str) -> dict[int, int]:
    """The group's next offset per partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {place.partition: told.offset for place, told in offsets.items() if place.topic == topic}


async def dead_letters_of(kafka: str, topic: str) -> dict[int, tuple[bytes, str]]:
    """Offset → value and reason of the dead-letters from a topic of one partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        place = TopicPartition(DEAD_LETTERS, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found: dict[int, tuple[bytes, str]] = {}
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(timeout_ms=500)).get(place, []):
                told = {name: value.decode(errors="replace") for name, value in record.headers}
                if told["driftline-topic"] == topic:
                    found[int(told["driftline-offset"])] = (record.value or b"", told["driftline-reason"])
        return found
    finally:
        await consumer.stop()


async def send_unparsable(kafka: str, topic: str) -> None:
    """One record whose header's name is not UTF-8, which clients of other languages may write."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(key=None, value=b"unparsable", timestamp=None, headers=[("name", b"1")])
        batch.close()
        raw = bytearray(batch._build())
        at = raw.index(b"name")
        raw[at : at + 4] = b"\xff\xfe\xff\xfe"
        raw[17:21] = struct.pack(">I", calc_crc32c(bytes(raw[21:])))
        batch._buffer = raw
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()
