"""The embedded broker is a real one: it keeps what it was given, also when it is killed."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from cli.errors import UserError
from cli.kafka.jars import cache_folder, ensure_jars, find_wrong, sha256
from cli.kafka.lockfile import read_lock
from cli.stack import running_stack
from tests.integration.stack_helpers import NO_NETWORK, broker_alone


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> list[tuple[int, int]]:
    """Sends idempotently to partition 0; returns (offset, timestamp type) of each record."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        records = [await producer.send_and_wait(topic, value, partition=0) for value in values]
    finally:
        await producer.stop()
    return [(record.offset, record.timestamp_type) for record in records]


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await asyncio.wait_for(consumer.getone(), 20)).value or b"" for _ in range(count)]
    finally:
        await consumer.stop()


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def test_what_is_produced_is_consumed_in_order_and_stamped_by_the_broker(kafka: str, topic: str) -> None:
    sent = [f"message {number}".encode() for number in range(100)]
    records = await produce(kafka, topic, sent)
    log_append_time = 1
    assert records == [(offset, log_append_time) for offset in range(100)]
    assert await consume(kafka, topic, 100) == sent


async def test_a_misspelt_topic_is_not_made(kafka: str, topic_name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        described = await admin.describe_topics([topic_name])
        assert topic_name not in await admin.list_topics()
    finally:
        await admin.close()
    assert described[0]["error_code"] == UnknownTopicOrPartitionError.errno


async def test_data_outlives_a_clean_stop_a_taken_port_and_a_kill(tmp_path: Path) -> None:
    async with running_stack(broker_alone(tmp_path)) as stack:
        first = stack.kafka
        await create(first, "kept")
        await produce(first, "kept", [b"a"])
    blockers = [await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", port) for port in _ports(tmp_path)]
    async with running_stack(broker_alone(tmp_path)) as stack:
        second = stack.kafka
        assert second != first
        await produce(second, "kept", [b"b"])
        os.kill(stack.pids["kafka"], signal.SIGKILL)  # and no time to start it again
    for blocker in blockers:
        blocker.close()
    async with running_stack(broker_alone(tmp_path)) as stack:
        assert stack.kafka == second  # addresses stay as long as they can
        assert await consume(stack.kafka, "kept", 2) == [b"a", b"b"]


async def test_a_killed_broker_is_started_again_with_its_data(tmp_path: Path) -> None:
    said: list[str] = []
    async with running_stack(broker_alone(tmp_path), said.append) as stack:
        await create(stack.kafka, "kept")
        await produce(stack.kafka, "kept", [b"a", b"b"])
        killed = stack.pids["kafka"]
        await stack.kill("kafka")
        await stack.wait_ready("kafka")
        assert stack.pids["kafka"] != killed
        await produce(stack.kafka, "kept", [b"c"])
        assert await consume(stack.kafka, "kept", 3) == [b"a", b"b", b"c"]
    assert said[0] == f"kafka ended (signal SIGKILL; log: {tmp_path}/logs/kafka.log); starting it again now"


def _ports(state: Path) -> list[int]:
    lines = (state / "kafka" / "server.properties").read_text().splitlines()
    listeners = next(line for line in lines if line.startswith("listeners="))
    return [int(listener.rpartition(":")[2]) for listener in listeners.split(",")]


def test_a_damaged_jar_is_found_and_mended(kafka: str, tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    shutil.copytree(cache_folder(), folder)
    jars = read_lock()
    victims = [jar for jar in jars if jar.artifact in {"slf4j-api", "argparse4j"}]
    changed, cut = (folder / jar.filename for jar in victims)
    before = changed.stat()
    content = bytearray(changed.read_bytes())
    content[1000] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time: only the hash tells
    cut.write_bytes(cut.read_bytes()[:-10])
    said: list[str] = []
    assert find_wrong(jars, folder) == victims
    paths = ensure_jars(jars, folder, said.append)
    assert [sha256(path) for path in paths] == [jar.sha256 for jar in jars]
    assert {line.split()[0] for line in said if "damaged" in line} == {changed.name, cut.name}


def test_without_a_network_the_cache_is_enough_and_what_is_missing_is_one_clear_line(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    assert len(ensure_jars(read_lock(), say=said.append)) == len(read_lock())
    assert said == []
    with pytest.raises(UserError, match=r"^cannot fetch [\w.:\-]+: is there a network\? \(\w+\)$"):
        ensure_jars(read_lock()[:1], tmp_path / "empty", said.append)
    assert list((tmp_path / "empty").glob("*.jar")) == []
