"""Faust's way to read Kafka, made to get past records that can't be parsed, and to hand messages on without a task."""

from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from inspect import iscoroutine
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.consumer import RecordMap
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.services import WaitResults

from shared.kafka.reading import Reader


def use_careful_transport(app: faust.App) -> None:
    """Let the app read its sources by `shared.kafka.reading`: what can't be parsed comes empty, and is a dead-letter.

    A record of a changelog that can't be parsed crashes the app: without it the state would be another.
    """
    app.transport = _Transport(app.conf.broker_consumer, app)


class _Thread(AIOKafkaConsumerThread):
    _reader: Reader

    def _create_consumer(self, loop: Any) -> AIOKafkaConsumer:
        consumer = super()._create_consumer(loop)
        self._reader = Reader(consumer, whole=self.app.tables.changelog_topics)
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,  # noqa: ARG002  # Faust's signature
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,  # noqa: ARG002
    ) -> RecordMap:
        if not self.consumer.flow_active:
            return {}  # Faust asks again after the rebalance
        only = [TopicPartition(*place) for place in active_partitions]
        records = await self._reader.read(round((timeout or 0) * 1000), only)
        return cast("RecordMap", records)  # their keys are equal, whichever library's class they are


def begin(coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any] | None:
    """Run a coroutine up to where it waits; what is left of it, None if it did not wait."""
    try:
        return _Rest(coroutine, coroutine.send(None))
    except StopIteration:
        return None


class _Rest(Awaitable[Any]):
    def __init__(self, coroutine: Coroutine[Any, Any, Any], pending: Any) -> None:
        self._coroutine = coroutine
        self._pending = pending

    def __await__(self) -> Generator[Any, Any, Any]:
        pending = self._pending
        while True:
            try:
                yield pending
            except BaseException as error:  # noqa: BLE001  # as `await` does: whatever it is, it is the coroutine's
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, None)
            try:
                pending = step()
            except StopIteration as end:
                return end.value


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109  # Faust's signature
        """Faust hands each message on in a task, with three others that end it early. Hardly any message has to wait
        for anything, and then it needs none of them.
        """
        if not all(map(iscoroutine, coros)) or len(coros) == 1:  # it waits for something else
            return await super().wait_first(*coros, timeout=timeout)
        handing_on, suspended = coros
        if (rest := begin(handing_on)) is not None:
            return await super().wait_first(rest, suspended, timeout=timeout)
        suspended.close()
        return WaitResults([], [], stopped=False)


class _Transport(Transport):
    Consumer = _Consumer
