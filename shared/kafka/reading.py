"""Reading records, also past those that aiokafka can't parse."""

import asyncio
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from structlog import get_logger

from shared.kafka.message import InMessage

log = get_logger()

Records = dict[TopicPartition, list[ConsumerRecord]]
MOST_RECORDS = 500  # of a partition
_MOST_OF_ALL = 3_000
_MOST_BYTES = 6 << 20  # of all: packed they were less than 1 MiB of a partition
_STEP = 25
_PAUSE = 0.05
_CAREFUL_PASSES = 100
_LOG_APPEND_TIME = 1
_NONE = TopicPartition("", 0)


def from_record(record: ConsumerRecord) -> InMessage:
    """A record of aiokafka's as a message. Kafka knows header values that are null; here they are empty."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return InMessage(record.topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp)


class Reader:
    """Reads a consumer's records in order.

    A record whose header's name is not UTF-8 makes aiokafka fail, again and again, and with it the records of other
    partitions drained in the same call are gone. So each call drains one partition, or waits for one record: then a
    failure moves no position. After it records are read one by one for a while, and what can't be parsed (that record
    and the rest of its producer's batch) is handed out empty, without key, value and headers: whoever reads it finds
    it unreadable and says so. Of topics in `whole`, which nobody can do without a record of, the error is raised.
    A call takes about 3,000 records and 6 MiB at most.
    """

    def __init__(self, consumer: AIOKafkaConsumer, whole: Collection[str] = ()) -> None:
        self._consumer = consumer
        self._whole = whole
        self._careful = 0  # passes left of reading one by one

    async def read(
        self, wait_ms: int, only: Collection[TopicPartition] | None = None, most: int = MOST_RECORDS
    ) -> Records:
        """What has come, `most` records of each of all partitions or of `only` some or none; nothing after `wait_ms`.

        All of it is taken without a pause, so that no rebalance comes between.

        Raises:
            KafkaError: the broker refuses, or is away.
            UnicodeDecodeError: a record of a topic in `whole` can't be parsed.
        """
        if only is not None and not only:  # aiokafka must be asked all the same: so it tells what befell the group
            only = [_NONE]
        if self._careful:
            return await self._one_by_one(only or self._consumer.assignment())
        records: Records = {}
        try:
            records |= await self._consumer.getmany(*only or (), timeout_ms=wait_ms, max_records=1)
            if records:
                await self._drain(records, only or self._consumer.assignment(), most)
        except UnicodeDecodeError as error:
            log.warning("a record can't be parsed, reading one by one", error=str(error))
            self._careful = _CAREFUL_PASSES
        return records

    async def _drain(self, records: Records, partitions: Collection[TopicPartition], most: int) -> None:
        most, size = max(1, min(most, _MOST_OF_ALL // len(partitions))), _MOST_BYTES // len(partitions)
        for partition in partitions:
            await self._take(records, partition, most, size)

    async def _take(self, records: Records, partition: TopicPartition, most: int, size: int) -> None:
        while size > 0 and (left := most - len(records.get(partition, ()))) > 0:
            found = await self._consumer.getmany(partition, timeout_ms=0, max_records=min(_STEP, left))
            if not found:
                break
            records.setdefault(partition, []).extend(found[partition])
            size -= sum(len(record.value or b"") for record in found[partition])

    async def _one_by_one(self, partitions: Collection[TopicPartition]) -> Records:
        self._careful -= 1
        records: Records = {}
        for partition in partitions:
            try:
                records |= await self._consumer.getmany(partition, timeout_ms=0, max_records=1)
            except UnicodeDecodeError:
                if partition.topic in self._whole:
                    raise
                records[partition] = [await self._step_over(partition)]
                self._careful = _CAREFUL_PASSES
        if not records:
            await asyncio.sleep(_PAUSE)
        return records

    async def _step_over(self, partition: TopicPartition) -> ConsumerRecord:
        offset = await self._consumer.position(partition)
        self._consumer.seek(partition, offset + 1)
        topic, number = partition
        return ConsumerRecord(topic, number, offset, 0, _LOG_APPEND_TIME, None, None, None, -1, -1, ())
