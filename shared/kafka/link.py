"""One partition of one topic, written in batches by an idempotent producer."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from structlog import get_logger

from shared.kafka.producer import RELIABLE

log = get_logger()

_BATCH_BYTES = 900_000  # with their overhead; the broker's own limit is 1,048,588
_PATIENCE = 30.0  # a start that takes longer hangs


class Link(Protocol):
    """An open way to one partition."""

    async def send(self, values: Sequence[bytes]) -> None:
        """Send them as one batch, all or none; returns when it is acknowledged. After an error the link is useless."""
        ...

    async def close(self) -> None:
        """Give up what is not acknowledged and disconnect; raises nothing."""
        ...


class Broker(Protocol):
    """Where the publisher's links lead."""

    async def partitions(self) -> Sequence[int]:
        """The topic's partitions; waits until a broker answers."""
        ...

    async def open(self, partition: int) -> Link:
        """A new link; raises KafkaError or TimeoutError."""
        ...


class KafkaBroker:
    """A real one, at `bootstrap`."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic

    async def partitions(self) -> Sequence[int]:
        """The topic's partitions; tries again every second until it has them."""
        while True:
            try:
                producer = await self._connect()
                found = await producer.partitions_for(self._topic)
                await _discard(producer)
                return sorted(found)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("no broker answers, trying again", topic=self._topic, error=str(error))
                await asyncio.sleep(1)

    async def open(self, partition: int) -> Link:
        """A new idempotent producer for this partition alone."""
        return KafkaLink(await self._connect(), self._topic, partition)

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, max_batch_size=_BATCH_BYTES, **RELIABLE)
        try:
            async with asyncio.timeout(_PATIENCE):  # not wait_for: in Python 3.11 it can swallow a cancellation
                await producer.start()
        except BaseException:
            await _discard(producer)
            raise
        return producer


class KafkaLink:
    """One batch at a time. While the broker is away aiokafka repeats the batch, and idempotence makes it count once."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition

    async def send(self, values: Sequence[bytes]) -> None:
        """See `Link`."""
        batch = self._producer.create_batch()
        for value in values:
            if batch.append(key=None, value=value, timestamp=None) is None:
                raise ValueError("these messages do not fit into one batch")
        batch.close()
        await (await self._producer.send_batch(batch, self._topic, partition=self._partition))

    async def close(self) -> None:
        """See `Link`."""
        await _discard(self._producer)


async def _discard(producer: AIOKafkaProducer) -> None:
    """Stop without waiting long for what can't be delivered: the caller still has it."""
    try:
        async with asyncio.timeout(2):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("producer did not stop cleanly", error=repr(error))
