"""`follow` on a real Kafka: all that is there, then what comes."""

import asyncio
from collections import Counter

from shared.kafka.admin import Topic, ensure_topics
from shared.kafka.message import OutMessage
from tests.integration.kafka_helpers import following, make_topic, producing, send_unparsable
from tests.integration.stack_helpers import until


async def test_follow_catches_up_with_an_empty_topic_and_hears_what_comes_later(kafka: str) -> None:
    topic, other = await make_topic(kafka), await make_topic(kafka, partitions=3)
    async with following(kafka, topic, other) as (seen, caught_up), producing(kafka) as producer:
        async with asyncio.timeout(10):
            await caught_up.wait()
        assert seen == []
        await producer.send([OutMessage(topic, b"1"), OutMessage(other, b"2", b"key"), OutMessage(topic, b"3")])
        await until(lambda: len(seen) == 3)
    assert [message.value for message in seen if message.topic == topic] == [b"1", b"3"]


async def test_follow_reads_everything_there_is_before_it_has_caught_up(kafka: str) -> None:
    topic = await make_topic(kafka, partitions=3)
    async with producing(kafka) as producer:
        await producer.send([OutMessage(topic, b"%d" % number) for number in range(2_000)])
    await send_unparsable(kafka, topic)
    async with following(kafka, topic) as (seen, caught_up):
        async with asyncio.timeout(20):
            await caught_up.wait()
        assert Counter(message.value for message in seen) == Counter(
            [None, *(b"%d" % number for number in range(2_000))]
        )
    for partition in range(3):
        offsets = [message.offset for message in seen if message.partition == partition]
        assert offsets == sorted(offsets)


async def test_follow_waits_for_a_topic_that_is_not_there_yet(kafka: str, topic_name: str) -> None:
    async with following(kafka, topic_name) as (seen, caught_up), producing(kafka) as producer:
        await asyncio.sleep(1)
        assert not caught_up.is_set()
        await ensure_topics(kafka, [Topic(topic_name, (), (), "")])
        await producer.send([OutMessage(topic_name, b"1")])
        await until(lambda: len(seen) == 1)
        async with asyncio.timeout(10):
            await caught_up.wait()
