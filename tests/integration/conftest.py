"""What tests on a real Kafka share: one embedded broker for the whole run, and topics of their own."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cli.stack import running_stack
from tests.integration.stack_helpers import broker_alone


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address `host:port` of a real broker; it has no topics but those that tests make."""
    state = tmp_path_factory.mktemp("kafka")
    context = running_stack(broker_alone(state), lambda line: print(line, file=sys.stderr))
    with asyncio.Runner() as runner:
        stack = runner.run(context.__aenter__())
        yield stack.kafka
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture
def topic_name() -> str:
    """A name that no other test uses."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
async def topic(kafka: str, topic_name: str) -> AsyncIterator[str]:
    """The name of a fresh topic with one partition; it is deleted after the test."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic_name, num_partitions=1, replication_factor=1)])
        yield topic_name
        await admin.delete_topics([topic_name])
    finally:
        await admin.close()
