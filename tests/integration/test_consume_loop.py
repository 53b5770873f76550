"""The consume loop and the producer on a real Kafka."""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from cli.stack import running_stack
from shared.kafka import group, members
from shared.kafka.admin import LABELS, MOST_BYTES, ensure_topics
from shared.kafka.consumer import PROMPTLY, CommitPolicy
from shared.kafka.message import OutMessage
from shared.kafka.producer import Producer
from tests.integration.kafka_helpers import (
    Worker,
    committed,
    dead_letters_of,
    following,
    free_port,
    make_topic,
    producing,
    send_unparsable,
)
from tests.integration.stack_helpers import broker_alone, until

RARELY = CommitPolicy(every_seconds=600, every_messages=1_000_000)


async def send_1_003_messages(kafka: str, topic: str) -> None:
    """1 % of the first 1,000 are unreadable in two ways, then comes one that can't be parsed, and one that is large."""
    rubbish = AIOKafkaProducer(bootstrap_servers=kafka)
    await rubbish.start()
    for number in range(1_000):
        if number % 200 == 50:
            await rubbish.send(topic, None, key=b"k")
        elif number % 200 == 100:
            await rubbish.send(topic, b"bad", headers=[("ce_type", b"\xff"), ("driftline-offset", None)])
        else:
            await rubbish.send(topic, b"%d" % number, headers=[("ce_type", None)])
    await rubbish.stop()
    await send_unparsable(kafka, topic)
    async with producing(kafka) as producer:
        await producer.send([OutMessage(topic, b"bad" + b"x" * 1_000_000), OutMessage(topic, b"last")])


async def test_unreadable_messages_all_become_dead_letters_and_all_others_are_handled_once(kafka: str) -> None:
    await ensure_topics(kafka)
    topic = await make_topic(kafka)
    await send_1_003_messages(kafka, topic)
    async with Worker(kafka, topic, topic, PROMPTLY).running() as worker:
        await until(lambda: b"last" in worker.values)
    letters = await dead_letters_of(kafka, topic)
    assert Counter(value for value, _ in letters.values() if len(value) < 10) == {b"": 6, b"bad": 5}
    assert {reason for _, reason in letters.values()} == {"a bad value"}
    assert len(letters[1_001][0]) == 1_000_003  # the original bytes, all of them
    assert set(worker.handled.values()) == {1}
    assert {offset for _, offset in worker.handled} | set(letters) == set(range(1_003))
    assert await committed(kafka, topic, topic) == {0: 1_003}


async def test_members_that_come_and_go_lose_nothing_and_repeat_nothing(kafka: str) -> None:
    topic = await make_topic(kafka, partitions=3)
    total = 3_000
    async with producing(kafka) as producer:

        async def produce() -> None:
            for number in range(0, total, 20):
                await producer.send([OutMessage(topic, b"%d" % each) for each in range(number, number + 20)])
                await asyncio.sleep(0.04)

        sending = asyncio.create_task(produce())
        async with Worker(kafka, topic, topic, RARELY).running() as first:
            await until(lambda: len(first.values) > 100)
            async with Worker(kafka, topic, topic, RARELY).running() as second:
                await until(lambda: len(second.values) > 200)
                seen = first.handled + second.handled
                assert len(seen) > 300
            await sending
            await until(lambda: len(first.handled + second.handled) == total, seconds=30)
    assert set((first.handled + second.handled).values()) == {1}
    assert sum((await committed(kafka, topic, topic)).values()) == total


async def test_after_a_crash_only_what_was_not_committed_comes_again(kafka: str) -> None:
    topic = await make_topic(kafka)
    async with producing(kafka) as producer:
        await producer.send([OutMessage(topic, b"%d" % number) for number in range(10)])
        worker = Worker(kafka, topic, topic, CommitPolicy(every_seconds=0.05, every_messages=1))
        async with worker.running():
            await until(lambda: len(worker.values) == 10)
        assert await committed(kafka, topic, topic) == {0: 10}
        await producer.send([OutMessage(topic, b"%d" % number) for number in range(10, 20)])
    crashing = Worker(kafka, topic, topic, RARELY)
    crashing.crash_at = b"15"
    with pytest.raises(ZeroDivisionError):
        await crashing.loop.run()
    assert await committed(kafka, topic, topic) == {0: 10}
    again = Worker(kafka, topic, topic, RARELY)
    async with again.running():
        await until(lambda: len(again.values) == 10)
    assert again.values == [b"%d" % number for number in range(10, 20)]
    assert await committed(kafka, topic, topic) == {0: 20}


async def test_a_partition_that_the_topic_got_is_read_after_a_worker_came_back_to_its_own(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "METADATA_SECONDS", 0.5)
    monkeypatch.setattr(members, "LOOK_SECONDS", 0.5)

    def worker() -> Worker:
        made = Worker(kafka, topic, topic, PROMPTLY)
        made.loop.config = replace(made.loop.config, instance="one")
        return made

    async with producing(kafka) as producer:
        await producer.send([OutMessage(topic, b"first")])
    async with worker().running() as first:
        await until(lambda: b"first" in first.values)
    async with worker().running() as again:
        await asyncio.wait_for(again.loop.ready.wait(), 15)
        await widen(kafka, topic)
        async with producing(kafka) as producer:  # one that knows of it
            await producer.send([OutMessage(topic, b"%d" % number, key=b"%d" % number) for number in range(20)])
        await until(lambda: {b"%d" % number for number in range(20)} <= set(again.values))
    assert {partition for partition, _ in again.handled} == {0, 1}
    assert set(again.handled.values()) == {1}


async def widen(kafka: str, topic: str) -> None:
    """Give it a second partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(2)})
    finally:
        await admin.close()


async def test_many_senders_at_once_keep_each_its_order_and_nothing_doubles(kafka: str) -> None:
    topic = await make_topic(kafka)
    async with producing(kafka) as producer:

        async def send(name: int) -> None:
            for number in range(0, 50, 10):
                await producer.send([OutMessage(topic, b"%d %d" % (name, each)) for each in range(number, number + 10)])

        await asyncio.gather(*(send(name) for name in range(20)))
    async with Worker(kafka, topic, topic, PROMPTLY).running() as worker:
        await until(lambda: len(worker.values) >= 1_000)
    for name in range(20):
        own = [value for value in worker.values if value is not None and value.startswith(b"%d " % name)]
        assert own == [b"%d %d" % (name, number) for number in range(50)]


async def test_the_largest_message_of_labels_is_sent_and_read(kafka: str) -> None:
    await ensure_topics(kafka)
    large = b"bad" + b"x" * (MOST_BYTES - 1_000)
    async with producing(kafka) as producer, Worker(kafka, LABELS, LABELS, PROMPTLY).running() as worker:
        await producer.send([OutMessage(LABELS, large), OutMessage(LABELS, b"next")])
        await until(lambda: b"next" in worker.values)


def quiet(line: str) -> None:
    print(line, file=sys.stderr)


async def test_a_broker_that_is_away_for_a_while_costs_no_message(tmp_path: Path) -> None:
    plan = replace(broker_alone(tmp_path), kafka_port=free_port())
    sent: list[bytes] = []
    async with contextlib.AsyncExitStack() as users:
        async with running_stack(plan, quiet) as stack:
            topic = await make_topic(stack.kafka)
            producer = await users.enter_async_context(producing(stack.kafka))
            worker = await users.enter_async_context(Worker(stack.kafka, topic, topic, PROMPTLY).running())
            seen, _ = await users.enter_async_context(following(stack.kafka, topic))
            await send_until(producer, topic, sent, lambda: len(seen) > 20 and len(worker.values) > 20)
        sending = asyncio.create_task(send_until(producer, topic, sent, lambda: len(sent) > 60))
        await asyncio.sleep(3)  # no broker
        assert not sending.done()
        async with running_stack(plan, quiet):
            await asyncio.wait_for(sending, 60)
            await until(lambda: {*sent} == {*worker.values} == {message.value for message in seen}, seconds=60)
            await users.aclose()


async def send_until(producer: Producer, topic: str, sent: list[bytes], enough: Callable[[], bool]) -> None:
    """Send numbers one by one, each as often as it takes."""
    while not enough():
        value = b"%d" % len(sent)
        while True:
            try:
                await producer.send([OutMessage(topic, value)])
            except Exception as error:  # noqa: BLE001  # whatever it is: the next try must work
                print(f"send failed: {error!r}")
                await asyncio.sleep(0.2)
            else:
                break
        sent.append(value)
        await asyncio.sleep(0.01)
