"""The hot-path publisher on a real broker."""

import asyncio
from pathlib import Path

from aiokafka import TopicPartition

from shared.kafka.link import KafkaBroker, KafkaLink, Link
from shared.kafka.publisher import Publisher
from tests.integration.inference_service import read_topic


class Watched(KafkaBroker):
    """A real broker that remembers its links."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, topic)
        self.links: list[Link] = []

    async def open(self, partition: int) -> Link:
        self.links.append(await super().open(partition))
        return self.links[-1]


async def acknowledged(publisher: Publisher, rows: int) -> None:
    async with asyncio.timeout(30):
        while publisher.backlog.rows["acknowledged"] < rows:  # noqa: ASYNC110  # looks on
            await asyncio.sleep(0.01)


async def test_a_producer_out_of_sequence_is_rebuilt_and_its_messages_arrive_once(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    broker = Watched(kafka, topic)
    publisher = Publisher(kafka, topic, tmp_path / "t.spool", 1_000_000, broker=broker)
    await publisher.start()
    publisher.enqueue(b"1", 1)
    await acknowledged(publisher, 1)
    (link,) = broker.links
    assert isinstance(link, KafkaLink)
    # As after a batch that aiokafka gave up: the broker misses a sequence number and refuses all that follow.
    sequences = link._producer._txn_manager
    assert sequences is not None
    sequences.increment_sequence_number(TopicPartition(topic, 0), 5)
    for number in (2, 3):
        publisher.enqueue(b"%d" % number, 1)
    await acknowledged(publisher, 3)
    await publisher.stop()
    assert len(broker.links) == 2
    assert [message.value for message in await read_topic(kafka, topic)] == [b"1", b"2", b"3"]


async def test_a_thousand_messages_of_all_sizes_arrive_in_order(kafka: str, topic: str, tmp_path: Path) -> None:
    publisher = Publisher(kafka, topic, tmp_path / "t.spool", 200_000)
    await publisher.start()
    sizes = [10, 5_000, 999_000, 100, 70_000]
    sent = [b"%06d" % number + bytes(sizes[number % 5] if number < 50 else 100) for number in range(1_000)]
    for value in sent:
        publisher.enqueue(value, 1)
    await publisher.stop(60)
    assert publisher.backlog.rows["acknowledged"] == 1_000
    assert publisher.backlog.rows["spooled"] > 900
    assert [message.value for message in await read_topic(kafka, topic)] == sent
