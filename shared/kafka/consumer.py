"""The consume loop: a handler turns a message into events; the loop sends, then commits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from prometheus_client import Counter
from structlog import get_logger

from shared.errors import Unreadable
from shared.kafka.dead_letters import dead_letter
from shared.kafka.follow import from_record
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer

log = get_logger()
MESSAGES = Counter("driftline_messages_total", "Messages read, by outcome", ["topic", "outcome"])

Handler = Callable[[InMessage], Awaitable[Sequence[OutMessage]]]
Flush = Callable[[], Awaitable[Sequence[OutMessage]]]
OnDeadLetter = Callable[[InMessage, str], Awaitable[None]]


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


class ConsumeLoop:
    """At least once: flush, send, wait for the acknowledgements, then commit offsets.

    A handler that raises Unreadable has its message sent to the dead-letters; any other exception ends the loop, and
    with it the process, before anything is committed. `ready` is set once partitions are assigned.
    """

    def __init__(  # noqa: PLR0913  # a loop has these six parts, each named where it is built
        self,
        config: ConsumerConfig,
        producer: Producer,
        handler: Handler,
        *,
        flush: Flush | None = None,
        on_dead_letter: OnDeadLetter | None = None,
        on_assigned: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.config = config
        self.ready = asyncio.Event()
        self._producer = producer
        self._handler = handler
        self._flush = flush
        self._on_dead_letter = on_dead_letter
        self._on_assigned = on_assigned
        self._outgoing: list[OutMessage] = []
        self._offsets: dict[TopicPartition, int] = {}
        self._handled = 0
        self._committed_at = time.monotonic()
        self._committing = asyncio.Lock()

    async def run(self) -> None:
        """Consume until cancelled; what was handled by then is committed."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self.config.bootstrap,
            group_id=self.config.group,
            client_id=self.config.client_id,
            group_instance_id=self.config.instance,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            max_poll_interval_ms=300_000,
        )
        self._consumer.subscribe(list(self.config.topics), listener=_Listener(self))
        await self._consumer.start()
        try:
            while True:
                await self._poll()
        finally:
            await self._end()

    async def _poll(self) -> None:
        wait = int(min(0.2, self.config.policy.every_seconds) * 1000)
        records = await self._consumer.getmany(timeout_ms=wait, max_records=500)
        async with self._committing:
            for partition, batch in records.items():
                if partition in self._consumer.assignment():
                    for record in batch:
                        await self._handle(partition, from_record(record))
            if self._due():
                await self._commit_or_later()

    async def _commit_or_later(self) -> None:
        try:
            await self._commit()
        except KafkaError as error:  # what was sent is sent; the offsets go with the next commit
            log.warning("commit failed, trying again", error=str(error))
            self._committed_at = time.monotonic()

    async def _handle(self, partition: TopicPartition, message: InMessage) -> None:
        try:
            self._outgoing += await self._handler(message)
            outcome = "handled"
        except Unreadable as error:
            outcome = "dead_letter"
            await self._bury(message, str(error))
        MESSAGES.labels(message.topic, outcome).inc()
        self._offsets[partition] = message.offset + 1
        self._handled += 1

    async def _bury(self, message: InMessage, reason: str) -> None:
        log.warning("dead letter", topic=message.topic, partition=message.partition, offset=message.offset, why=reason)
        self._outgoing.append(dead_letter(message, reason, self.config.client_id))
        if self._on_dead_letter is not None:
            await self._on_dead_letter(message, reason)

    def _due(self) -> bool:
        waited = time.monotonic() - self._committed_at
        policy = self.config.policy
        return bool(self._offsets) and (waited >= policy.every_seconds or self._handled >= policy.every_messages)

    async def _commit(self) -> None:
        if self._flush is not None:
            self._outgoing += await self._flush()
        await self._send()
        try:
            if self._offsets:
                await self._consumer.commit(dict(self._offsets))
        except (CommitFailedError, IllegalStateError) as error:
            # Another member has the partitions now and reads these messages again: a repeat, not a loss.
            log.warning("offsets not committed", error=str(error))
        self._offsets.clear()
        self._handled = 0
        self._committed_at = time.monotonic()

    async def _send(self) -> None:
        """Send until it is acknowledged: a broker that is away for a while must not end the service."""
        while self._outgoing:
            try:
                await self._producer.send(self._outgoing)
                self._outgoing = []
            except KafkaError as error:
                log.warning("send failed, trying again", error=str(error))
                await asyncio.sleep(1)

    async def _end(self) -> None:
        self.ready.clear()
        try:
            async with self._committing:
                await asyncio.wait_for(self._commit(), timeout=20)
        except (KafkaError, TimeoutError) as error:
            log.warning("last commit failed; the messages are read again at the next start", error=str(error))
        finally:
            await self._consumer.stop()

    async def revoked(self) -> None:
        """Partitions go to another member: commit what was handled first."""
        self.ready.clear()
        async with self._committing:
            await self._commit_or_later()

    async def assigned(self) -> None:
        """Partitions came."""
        if self._on_assigned is not None:
            await self._on_assigned()
        self.ready.set()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, loop: ConsumeLoop) -> None:
        self._loop = loop

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        if revoked:
            await self._loop.revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002  # aiokafka's signature
        await self._loop.assigned()
