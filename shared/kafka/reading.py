"""Reading records, also past those that aiokafka can't parse."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from structlog import get_logger

from shared.kafka.message import InMessage

log = get_logger()

Messages = dict[TopicPartition, list[InMessage]]
_MOST_RECORDS = 500
_PAUSE = 0.05
_QUIET_PASSES = 100


def from_record(record: ConsumerRecord) -> InMessage:
    """A record of aiokafka's as a message. Kafka knows header values that are null; here they are empty."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return InMessage(record.topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp)


class Reader:
    """Reads a consumer's records in order.

    A record whose header's name is not UTF-8 makes aiokafka fail, again and again, and with it the records of other
    partitions drained in the same call are gone. So then all partitions are sought back and read one by one, and what
    can't be parsed (that record and the rest of its producer's batch) is handed out empty, without key, value and
    headers: whoever reads it finds it unreadable and says so.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._next: dict[TopicPartition, int] = {}
        self._careful = 0  # passes left of reading one by one

    def restart(self, next_offsets: Mapping[TopicPartition, int] | None = None) -> None:
        """The partitions were assigned anew: they are read from `next_offsets`, or where the group has committed."""
        self._next = dict(next_offsets or {})

    async def read(self, wait_ms: int) -> Messages:
        """What has come, at most 500 messages; nothing after `wait_ms`. Raises KafkaError."""
        if self._careful:
            return await self._one_by_one()
        try:
            records = await self._consumer.getmany(timeout_ms=wait_ms, max_records=_MOST_RECORDS)
        except UnicodeDecodeError as error:
            log.warning("a record can't be parsed, reading one by one", error=str(error))
            await self._seek_back()
            self._careful = _QUIET_PASSES
            return {}
        for partition, found in records.items():
            self._next[partition] = found[-1].offset + 1
        return {partition: [from_record(record) for record in found] for partition, found in records.items()}

    async def _one_by_one(self) -> Messages:
        messages: Messages = {}
        for partition in sorted(self._consumer.assignment()):
            message = await self._one(partition)
            if message is not None:
                self._next[partition] = message.offset + 1
                messages[partition] = [message]
        if not messages:
            self._careful -= 1
            await asyncio.sleep(_PAUSE)
        return messages

    async def _one(self, partition: TopicPartition) -> InMessage | None:
        try:
            records = await self._consumer.getmany(partition, timeout_ms=0, max_records=1)
        except UnicodeDecodeError:
            offset = await self._first(partition)
            self._consumer.seek(partition, offset + 1)
            return InMessage(partition.topic, partition.partition, offset, None, None, (), 0)
        return from_record(records[partition][0]) if records else None

    async def _seek_back(self) -> None:
        for partition in self._consumer.assignment():
            self._next[partition] = await self._first(partition)
            self._consumer.seek(partition, self._next[partition])

    async def _first(self, partition: TopicPartition) -> int:
        """The next offset to hand out."""
        if partition in self._next:
            return self._next[partition]
        committed: int | None = await self._consumer.committed(partition)
        if committed is not None:
            return committed
        beginnings: dict[TopicPartition, int] = await self._consumer.beginning_offsets([partition])
        return beginnings[partition]
