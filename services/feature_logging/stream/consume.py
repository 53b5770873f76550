"""Running the consume loop, and starting it anew when another worker was quicker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from deltalake.exceptions import DeltaError
from structlog import get_logger

from services.feature_logging.settings import Settings
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.table import Damaged, Fenced
from services.feature_logging.store.upstream import OtherKafka, begun_at, cluster_of, cluster_path
from services.feature_logging.stream.intake import SERVICE, Intake
from services.feature_logging.stream.repair import make_readable, repair
from services.feature_logging.stream.turns import Turns
from shared.errors import DriftlineError
from shared.feature_log.opened import Source, open_log
from shared.http import Health
from shared.kafka.admin import LABELS, PREDICTIONS, cluster_id
from shared.kafka.consumer import CommitPolicy, ConsumeLoop, ConsumerConfig, Hooks
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer
from shared.storage import check_exclusive

log = get_logger()
T = TypeVar("T")
TOPICS = (PREDICTIONS, LABELS)
_PATIENCE = 60.0  # seconds that one topic waits for partitions of the other that nobody reads
_SLACK = 3.0  # commits that predictions may be ahead of other workers' labels
_PARTING = 1.5  # seconds that the last links may take
_BROKEN = "tables are damaged; mending them, then reading again"
_OVERTAKEN = "another worker has written for our partitions; reading again from there"


async def consume(settings: Settings, feature_log: FeatureLog, intake: Intake, health: Health) -> None:
    """Consume until cancelled.

    Raises:
        OtherKafka: the tables were written from another Kafka, or this one has lost its end, or made a topic anew.
        Overwrites: the tables' store would let two writers both be right.
        NotMended: a table can't be opened.
        NotDurable: the disk can't keep what it has taken.
    """
    health.not_ready("waiting for Kafka")
    producer = Producer(settings.kafka_bootstrap, SERVICE)
    await _once_reached(producer.start)
    try:
        await _check(settings.kafka_bootstrap, feature_log)
        while True:
            try:
                await _once_reached(partial(repair, feature_log.tables, settings.kafka_bootstrap, intake))
                await _loop(settings, producer, intake, health).run()
            except Fenced as error:
                log.warning(_BROKEN if isinstance(error, Damaged) else _OVERTAKEN, why=str(error))
                intake.forget()
                _end_if_cancelled()
    finally:
        await _prove(feature_log)
        await producer.stop()


async def _check(bootstrap: str, feature_log: FeatureLog) -> None:
    """The tables can be read, and fit this Kafka; raises as `consume` does."""
    for look in (check_exclusive, make_readable):
        await feature_log.read(partial(look, feature_log.tables))
    tables = await feature_log.read(partial(open_log, feature_log.tables))
    earliest, ends = await _once_reached(partial(_bounds, bootstrap))
    check_offsets({source: tables.next_offset(source) for source in ends}, ends)
    if cluster := await _once_reached(partial(cluster_id, bootstrap)):
        await feature_log.written(partial(check_cluster, feature_log.tables, cluster))
    await feature_log.written(partial(begun_at, feature_log.tables, earliest))


async def _prove(feature_log: FeatureLog) -> None:
    """All that was committed is in the hash chain when the service ends; else the next start sees to it."""
    try:
        async with asyncio.timeout(_PARTING):
            await feature_log.prove()
    except (DriftlineError, TimeoutError) as error:
        log.warning("the proof is left to the next start", why=str(error) or type(error).__name__)


def _end_if_cancelled() -> None:
    """The loop's last commit, made because it was cancelled, may be refused too: that must not undo the cancelling."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def check_offsets(held: Mapping[Source, int], ends: Mapping[Source, int]) -> None:
    """Raise OtherKafka if a partition ends before the next offset that the tables expect of it."""
    for (topic, partition), offset in held.items():
        if offset > (end := ends[topic, partition]):
            raise OtherKafka(
                f"the tables hold {topic}/{partition} up to offset {offset}, but this Kafka ends at {end}: another "
                "Kafka, or one that has lost data or made the topic anew; its messages would be skipped"
            )


def check_cluster(tables: Path, cluster: str) -> None:
    """Raise OtherKafka if the tables are of another cluster; those of none yet are of this one from here on."""
    if (known := cluster_of(tables, cluster)) != cluster:
        raise OtherKafka(
            f"the tables are of the Kafka cluster {known}, this one is {cluster}: another Kafka, some of whose "
            f"messages would be skipped; it needs tables of its own. If it goes on with the offsets of the other, or "
            f"the tables are empty, remove {cluster_path(tables)}"
        )


def _loop(settings: Settings, producer: Producer, intake: Intake, health: Health) -> ConsumeLoop:
    patience = _PATIENCE + settings.commit_seconds  # by when each worker that lives has committed what it read
    most = {LABELS: settings.recent_labels // 4, PREDICTIONS: settings.recent_ids // 4}
    turns = Turns(intake.taken, most, _SLACK * settings.commit_seconds, patience)

    async def handle(message: InMessage) -> Sequence[OutMessage]:
        turns.passed(message)
        return await intake.handle(message)

    async def assigned() -> None:
        standing = loop.standing
        places = standing.assigned
        earliest = _by_source(await _once_reached(partial(standing.earliest, places)))
        committed = _by_source(await _once_reached(partial(standing.committed, places)))
        held = await intake.assigned(earliest, committed)
        # Asked last: who had a partition before may have written until now.
        check_offsets(held, _by_source(await _once_reached(partial(standing.ends, places))))
        standing.read_from(_by_place({source: at for source, at in held.items() if at < committed[source]}))
        turns.begin(_by_place({source: max(at, earliest[source]) for source, at in held.items()}))
        health.ready()

    policy = CommitPolicy(every_seconds=settings.commit_seconds, every_messages=settings.commit_rows)
    loop = ConsumeLoop(
        ConsumerConfig(settings.kafka_bootstrap, SERVICE, TOPICS, SERVICE, policy, settings.instance),
        producer,
        handle,
        Hooks(intake.flush, intake.reject, assigned, turn=lambda: turns.turn(loop.standing)),
    )
    return loop


def _by_source(offsets: Mapping[TopicPartition, int]) -> dict[Source, int]:
    return {(place.topic, place.partition): offset for place, offset in offsets.items()}


def _by_place(offsets: Mapping[Source, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(*source): offset for source, offset in offsets.items()}


async def _once_reached(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives as soon as Kafka and the tables answer, and with what it takes."""
    said = False
    while True:
        try:
            return await work()
        except (KafkaError, OSError, DeltaError) as error:
            if not said:
                log.warning("Kafka or the tables do not answer as needed; trying on", why=str(error))
                said = True
            await asyncio.sleep(1)


async def _bounds(bootstrap: str) -> tuple[Mapping[Source, int], Mapping[Source, int]]:
    """The oldest offset, and the next one, of each partition of the topics that are read; raises KafkaError while there
    are none.
    """
    partitions = await _partitions(bootstrap)
    if not partitions:
        raise UnknownTopicOrPartitionError(" and ".join(TOPICS))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id=SERVICE)
    await consumer.start()
    try:
        earliest, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        return _by_source(earliest), _by_source(ends)
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=SERVICE)
    await admin.start()
    try:
        topics = await admin.describe_topics(list(TOPICS))
    finally:
        await admin.close()
    return [TopicPartition(topic["topic"], each["partition"]) for topic in topics for each in topic["partitions"]]
