"""A consumer and a producer without a broker: what they were told, in order, stands in `said`."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from shared.kafka.message import OutMessage

ZERO = TopicPartition("t", 0)
ONE = TopicPartition("t", 1)


def record(offset: int, partition: int = 0, value: bytes | None = b"v", headers: Sequence[Any] = ()) -> ConsumerRecord:
    """A record of topic t."""
    return ConsumerRecord("t", partition, offset, 1_000, 1, None, value, None, -1, 1, tuple(headers))


class FakeConsumer:
    """Gives the batches put in `coming`; an exception there is raised. `failing` is raised by the next commits."""

    def __init__(self, said: list[Any], *coming: Any) -> None:
        self.said, self.coming, self.failing = said, deque(coming), deque[Exception]()
        self.listener: Any = None

    def subscribe(self, _topics: Sequence[str], listener: Any) -> None:
        self.listener = listener

    async def start(self) -> None:
        await self.rebalance()

    async def rebalance(self) -> None:
        await self.listener.on_partitions_revoked(set())
        await self.listener.on_partitions_assigned({ZERO, ONE})

    def assignment(self) -> set[TopicPartition]:
        return {ZERO, ONE}

    async def getmany(self, *only: TopicPartition, **_limits: int) -> dict[TopicPartition, Any]:
        if only:
            return {}  # all that has come was given to the call that waited
        await asyncio.sleep(0 if self.coming else 0.01)
        found = self.coming.popleft() if self.coming else {}
        if isinstance(found, Exception):
            raise found
        return dict(found)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failing:
            raise self.failing.popleft()
        self.said.append(("commit", offsets))

    async def stop(self) -> None:
        self.said.append("stop")


class FakeProducer:
    """Takes everything, but raises what is in `failing` first."""

    def __init__(self, said: list[Any]) -> None:
        self.said, self.failing = said, deque[Exception]()

    async def send(self, messages: Sequence[OutMessage]) -> None:
        if self.failing:
            raise self.failing.popleft()
        self.said.append(("send", [message.value for message in messages]))
