"""The consume loop: a handler turns a message into events; the loop sends, then commits."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, KafkaTimeoutError
from prometheus_client import Counter
from structlog import get_logger

from shared.errors import Unreadable
from shared.kafka.dead_letters import dead_letter
from shared.kafka.group import PROMPTLY, RETRY_SECONDS, CommitPolicy, ConsumerConfig, Member, told
from shared.kafka.hooks import NO_HOOKS, Handler, Hooks, Turn
from shared.kafka.members import Unread
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import HOPELESS, Producer
from shared.kafka.reading import Records, from_record
from shared.kafka.standing import Standing

__all__ = ["PROMPTLY", "CommitPolicy", "ConsumeLoop", "ConsumerConfig", "Hooks"]

log = get_logger()
MESSAGES = Counter("driftline_messages_total", "Messages read, by outcome", ["topic", "outcome"])

# Not retriable by aiokafka's word, for it has retried; and what a rebalance brings about.
PASSING = (KafkaTimeoutError, IllegalStateError)
_PROMPT_SECONDS = 1.0
_PATIENCE = 8.0  # seconds that the last commit may take: a process has 10 between SIGTERM and SIGKILL


class ConsumeLoop:
    """At least once: flush, send, wait for the acknowledgements, then commit offsets.

    A handler that raises Unreadable has its message sent to the dead-letters; any other exception, also of `flush` and
    `on_assigned`, ends the loop, and with it the process, without another commit: nobody knows what state the handler
    was left in. `ready` is set once partitions are assigned; messages are handled only between `on_assigned` and the
    next rebalance.
    """

    def __init__(self, config: ConsumerConfig, producer: Producer, handler: Handler, hooks: Hooks = NO_HOOKS) -> None:
        self.config = config
        self.ready = asyncio.Event()
        self._producer = producer
        self._handler = handler
        self._hooks = hooks
        self._outgoing: list[OutMessage] = []
        self._offsets: dict[TopicPartition, int] = {}
        self._handled = 0
        self._committed_at = -math.inf  # the first commit comes at once: then it is known that all of the way is open
        self._unread = Unread()
        self._busy = asyncio.Lock()  # held while messages are handled and committed
        self._generation = 0  # of the assignment
        self._settled = asyncio.Event()  # set between `on_assigned` and the next rebalance
        self._failure: Exception | None = None
        self._work: asyncio.Task[None] | None = None
        self._stopping = False

    async def run(self) -> None:
        """Consume until cancelled: then the message in hand is finished, and what was handled is committed.

        Raises:
            KafkaError: the broker refuses; one that is away is waited for.
            Exception: what the handler, `flush` or `on_assigned` raised.
        """
        self._member = Member(self.config, self.revoked, self.assigned)
        try:
            await self._member.start()
            async with self._unread.looked_for(self.config, self._member.standing.all):
                while True:
                    await self._poll()
        except asyncio.CancelledError:
            await self._finish()
            raise
        finally:
            self.ready.clear()
            if self._work is not None:
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)
            await self._member.leave()

    @property
    def standing(self) -> Standing:
        """Where the partitions stand, once it runs."""
        return self._member.standing

    async def _join_anew(self) -> None:
        async with self._busy:
            await self._commit_or_later()
        self._settled.clear()
        self._unread.found = False
        self._member.subscribe()

    async def _poll(self) -> None:
        wait = min(0.2, self.config.policy.every_seconds)
        if self._unread.found and self._settled.is_set():
            await self._whole(self._join_anew())
        try:
            turn = await self._turn(wait)
            most = min(turn.most, self.config.policy.every_messages)
            records = await self._member.reader.read(int(wait * 1000), turn.only, most)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, PASSING)):
                raise
            log.warning("can't read, trying again", error=told(error))
            await asyncio.sleep(RETRY_SECONDS)
            return
        if self._failure is not None:
            raise self._failure
        if not self._settled.is_set():
            self._member.give_back(records)
            return
        # What waits for its turn, here or with another worker, waits for the commit.
        promptly = turn.only is not None and not records
        await self._whole(self._handle_all(records, self._generation, promptly=promptly))

    async def _turn(self, wait: float) -> Turn:
        if not self._settled.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), wait)
        # Where it is not settled yet nothing is read, but what befell the group is heard.
        return await self._hooks.turn() if self._settled.is_set() else Turn(())

    async def _whole(self, work: Coroutine[Any, Any, None]) -> None:
        # A task of its own, so that a cancelled loop can finish what a thread may be in the midst of writing.
        self._work = asyncio.create_task(work)
        await asyncio.shield(self._work)

    async def _handle_all(self, records: Records, generation: int, *, promptly: bool) -> None:
        async with self._busy:
            for partition, batch in records.items():
                for record in batch:
                    if self._stopping or generation != self._generation:
                        return  # not committed, so they are read again, by whoever has the partition then
                    await self._handle(partition, from_record(record))
            if self._due(promptly=promptly):
                await self._commit_or_later()

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
        await self._hooks.on_dead_letter(message, reason)

    def _due(self, *, promptly: bool) -> bool:
        waited, policy = time.monotonic() - self._committed_at, self.config.policy
        seconds = min(_PROMPT_SECONDS, policy.every_seconds) if promptly else policy.every_seconds
        return bool(self._offsets) and (waited >= seconds or self._handled >= policy.every_messages)

    async def _commit_or_later(self) -> None:
        try:
            await self._commit()
        except HOPELESS:
            raise
        except KafkaError as error:  # what was sent is sent; the offsets go with the next commit
            log.warning("commit failed, trying again", error=told(error))
            self._committed_at = time.monotonic()

    async def _commit(self) -> None:
        if not self._offsets:
            return
        self._outgoing += await self._hooks.flush()
        await self._send()
        try:
            await self._member.consumer.commit(dict(self._offsets))
        except (CommitFailedError, IllegalStateError) as error:
            # Another member has the partitions now and reads these messages again: a repeat, not a loss.
            log.warning("offsets not committed", error=told(error))
        self._forget()
        self._committed_at = time.monotonic()

    def _forget(self) -> None:
        self._offsets.clear()
        self._handled = 0

    async def _send(self) -> None:
        """Send until it is acknowledged: a broker that is away for a while must not end the service."""
        while self._outgoing:
            try:
                await self._producer.send(self._outgoing)
                self._outgoing = []
            except HOPELESS:
                raise
            except KafkaError as error:
                log.warning("send failed, trying again", error=told(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _finish(self) -> None:
        self._stopping = True
        try:
            async with asyncio.timeout(_PATIENCE):
                if self._work is not None:
                    await asyncio.shield(self._work)
                async with self._busy:
                    await self._commit()
        except (KafkaError, TimeoutError) as error:
            log.warning("last commit failed; the messages are read again at the next start", error=told(error))

    async def revoked(self) -> None:
        """Partitions go to another member: commit what was handled first."""
        self.ready.clear()
        self._settled.clear()
        self._generation += 1
        async with self._busy:
            await self._or_fail(self._commit_or_later)
            self._forget()  # a commit made up for later could throw back the member that is further on by then

    async def assigned(self) -> None:
        """Partitions came, to be read from what is committed."""
        self._unread.found = False
        await self._or_fail(self._hooks.on_assigned)
        self._settled.set()
        if self._failure is None:
            self.ready.set()

    async def _or_fail(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # aiokafka, whose task this is, would only log it
            self._failure = error
