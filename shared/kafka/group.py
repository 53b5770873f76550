"""How a service belongs to a consumer group."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

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
