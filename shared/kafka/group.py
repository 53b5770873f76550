"""How a service belongs to a consumer group."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from structlog import get_logger

from shared.kafka.reading import Reader, Records
from shared.kafka.standing import Standing

log = get_logger()
RETRY_SECONDS = 1.0
_PARTING = 2.0  # seconds that leaving may take: a process has 10 between SIGTERM and SIGKILL
METADATA_SECONDS = 30.0  # until it is known that a topic has more partitions


@dataclass(frozen=True)
class CommitPolicy:
    """When offsets are committed: whichever comes first."""

    every_seconds: float
    every_messages: int


PROMPTLY = CommitPolicy(every_seconds=0.2, every_messages=500)


@dataclass(frozen=True)
class ConsumerConfig:
    """Who reads what.

    A worker with an `instance` of its own gets its partitions back at once when it is started again after a crash;
    without, Kafka waits until the session of the dead one has run out.
    """

    bootstrap: str
    group: str
    topics: tuple[str, ...]
    client_id: str
    policy: CommitPolicy = PROMPTLY
    instance: str | None = None


def group_consumer(config: ConsumerConfig) -> AIOKafkaConsumer:
    """A member of the group that commits only when it is told to."""
    return AIOKafkaConsumer(
        bootstrap_servers=config.bootstrap,
        group_id=config.group,
        client_id=config.client_id,
        group_instance_id=config.instance,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=1_000,
        max_poll_interval_ms=300_000,
        metadata_max_age_ms=int(METADATA_SECONDS * 1000),
    )


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Awaits `revoked` before each rebalance, the first included, and `assigned` after it."""

    def __init__(self, revoked: Callable[[], Awaitable[None]], assigned: Callable[[], Awaitable[None]]) -> None:
        self._revoked = revoked
        self._assigned = assigned

    # aiokafka awaits these, though its base class does not say so
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        revoked: Sequence[TopicPartition],  # noqa: ARG002  # all partitions are revoked and assigned together
    ) -> None:
        """Before a rebalance."""
        await self._revoked()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        assigned: Sequence[TopicPartition],  # noqa: ARG002  # likewise
    ) -> None:
        """After a rebalance."""
        await self._assigned()


class Member:
    """A consumer in its group; of one that is made anew until it has started."""

    consumer: Any
    reader: Reader
    standing: Standing

    def __init__(
        self, config: ConsumerConfig, revoked: Callable[[], Awaitable[None]], assigned: Callable[[], Awaitable[None]]
    ) -> None:
        self._config = config
        self._listener = Listener(revoked, assigned)
        self.consumer = None

    async def start(self) -> None:
        """Join; raises KafkaError where the broker refuses, and waits for one that is away."""
        while True:
            self.consumer = group_consumer(self._config)
            self.reader = Reader(self.consumer)
            self.standing = Standing(self.consumer, self._config.topics)
            self.subscribe()
            try:
                await self.consumer.start()
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("can't consume yet, trying again", topics=self._config.topics, error=told(error))
                await self.leave()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def subscribe(self) -> None:
        """Join, or if it has joined, join anew."""
        self.consumer.subscribe(list(self._config.topics), listener=self._listener)

    def give_back(self, records: Records) -> None:
        """Read again what was taken, of the partitions that it still has."""
        for place in set(records).intersection(self.consumer.assignment()):
            self.consumer.seek(place, records[place][0].offset)

    async def leave(self) -> None:
        """For good, within a few seconds."""
        if self.consumer is not None:
            try:
                async with asyncio.timeout(_PARTING):
                    await self.consumer.stop()
            except (KafkaError, TimeoutError) as error:
                log.warning("left the group without a word", error=told(error))


def told(error: BaseException) -> str:
    """What it says, or what it is."""
    return str(error) or type(error).__name__
