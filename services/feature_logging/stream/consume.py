"""Running the consume loop, and starting it anew when another worker was quicker."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from structlog import get_logger

from services.feature_logging.settings import Settings
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.table import Fenced
from services.feature_logging.stream.intake import Intake
from shared.errors import DriftlineError
from shared.feature_log.completeness import OpenTable, open_log
from shared.feature_log.schema import app_id
from shared.http import Health
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.consumer import CommitPolicy, ConsumeLoop, ConsumerConfig
from shared.kafka.producer import Producer

log = get_logger()
SERVICE = "feature_logging"
TOPICS = (PREDICTIONS, LABELS)


class OtherKafka(DriftlineError):
    """The tables hold offsets that this Kafka has not reached: its messages would be taken for known ones."""


async def consume(settings: Settings, feature_log: FeatureLog, intake: Intake, health: Health) -> None:
    """Consume until cancelled.

    Raises:
        OtherKafka: the tables were written from another Kafka, or this one has lost its end.
        NotDurable: the disk can't keep what it has taken.
    """
    health.not_ready("waiting for Kafka")
    producer = Producer(settings.kafka_bootstrap, SERVICE)
    await _reach(producer)
    try:
        tables = await asyncio.to_thread(open_log, feature_log.tables)
        check_offsets(tables, await _end_offsets(settings.kafka_bootstrap))
        while True:
            try:
                await _loop(settings, producer, intake, health).run()
            except Fenced as error:
                log.warning("another worker has written for our partitions; reading again from there", why=str(error))
                feature_log.forget()
    finally:
        await producer.stop()


def check_offsets(tables: list[OpenTable], ends: Mapping[TopicPartition, int]) -> None:
    """Raise OtherKafka if a table's next offset lies behind the end of its partition."""
    for table in tables:
        for partition, end in ends.items():
            if table.topic in (None, partition.topic):
                held = table.table.transaction_version(app_id(partition.topic, partition.partition)) or 0
                if held > end:
                    raise OtherKafka(
                        f"{table.name} holds {partition.topic}/{partition.partition} up to offset {held}, but this "
                        f"Kafka ends at {end}: another Kafka, or one that has lost data; its messages would be skipped"
                    )


def _loop(settings: Settings, producer: Producer, intake: Intake, health: Health) -> ConsumeLoop:
    async def assigned() -> None:
        await intake.assigned()
        health.ready()

    policy = CommitPolicy(every_seconds=settings.commit_seconds, every_messages=settings.commit_rows)
    return ConsumeLoop(
        ConsumerConfig(settings.kafka_bootstrap, SERVICE, TOPICS, SERVICE, policy),
        producer,
        intake.handle,
        flush=intake.flush,
        on_dead_letter=intake.reject,
        on_assigned=assigned,
    )


async def _reach(producer: Producer) -> None:
    """Start the producer as soon as a broker answers."""
    said = False
    while True:
        try:
            await producer.start()
        except KafkaConnectionError as error:
            if not said:
                log.warning("no Kafka broker answers; trying on", why=str(error))
                said = True
            await asyncio.sleep(1)
        else:
            return


async def _end_offsets(bootstrap: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id=SERVICE)
    await consumer.start()
    try:
        found = [(topic, consumer.partitions_for_topic(topic) or ()) for topic in TOPICS]
        partitions = [TopicPartition(topic, number) for topic, numbers in found for number in numbers]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends
    finally:
        await consumer.stop()
