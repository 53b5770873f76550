"""Faust's way to read Kafka, made to get past records that can't be parsed."""

from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.consumer import RecordMap
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

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


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):
    Consumer = _Consumer
