"""A consume loop on a consumer and a producer without a broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from shared.kafka.consumer import CommitPolicy, ConsumeLoop, ConsumerConfig, Hooks
from shared.kafka.message import InMessage, OutMessage
from tests.unit.shared.kafka_fakes import FakeConsumer, FakeProducer

EVERY_MESSAGE = CommitPolicy(every_seconds=60, every_messages=1)
AT_THE_END = CommitPolicy(every_seconds=60, every_messages=1_000)


class Bench:
    """A loop on fakes; `said` holds what happened, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *coming: Any) -> None:
        self.said: list[Any] = []
        self.consumer = FakeConsumer(self.said, *coming)
        self.producer = FakeProducer(self.said)
        monkeypatch.setattr("shared.kafka.group.group_consumer", lambda _: self.consumer)

    def loop(self, policy: CommitPolicy = EVERY_MESSAGE, handler: Any = None, **hooks: Any) -> ConsumeLoop:
        config = ConsumerConfig("nowhere:1", "group", ("t",), "service", policy)
        producer: Any = self.producer
        return ConsumeLoop(config, producer, handler or self.handle, Hooks(**hooks))

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        self.said.append(("handle", message.partition, message.offset))
        return [OutMessage("out", b"of %d" % message.offset)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.005)

    def commits(self) -> list[Any]:
        return [entry[1] for entry in self.said if entry[0] == "commit"]


@contextlib.asynccontextmanager
async def running(loop: ConsumeLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
