"""The publisher of the hot path: `enqueue` never waits for Kafka, and what it took is never lost silently."""

import asyncio
from collections import deque
from pathlib import Path

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from prometheus_client import Counter
from structlog import get_logger

from shared.kafka.backlog import MOST_SPOOLED, Backlog, Settled, Waiting
from shared.kafka.link import Broker, KafkaBroker, Link
from shared.kafka.spool import Spool

log = get_logger()

REBUILT = Counter("driftline_publisher_rebuilt_total", "Producers closed after an error and made anew", ["topic"])


class Publisher:
    """Messages without a key, each to the partition that has been free for longest: round-robin when all are.

    One bounded queue, one flusher per partition with an idempotent producer of its own (acks=all), so that a
    partition without a leader, or a poisoned producer, holds up only itself. Beyond `bound` bytes in memory messages go
    to the file `spool`, and so do all later ones until it has been read: within a partition the order is that of
    `enqueue`. A producer that fails is closed and rebuilt; its batch is sent again, so if the broker had taken it and
    could not say so before the failure, it is on the topic twice.
    """

    def __init__(  # noqa: PLR0913  # the last two are options
        self,
        bootstrap: str,
        topic: str,
        spool: Path,
        bound: int,
        *,
        spool_bound: int = MOST_SPOOLED,
        broker: Broker | None = None,
    ) -> None:
        self._topic = topic
        self._path = spool
        self._bounds = bound, spool_bound
        self._broker = broker or KafkaBroker(bootstrap, topic)
        self._free: deque[asyncio.Future[None]] = deque()
        self._drained = asyncio.Event()
        self._stopped = False
        self._closing = False

    async def start(self) -> None:
        """Open the spool; what the last process left there goes first. Does not wait for Kafka.

        Raises:
            OSError: the spool can't be opened, or another process has it.
        """
        self.backlog = Backlog(self._topic, Spool(self._path), *self._bounds)
        self._running = asyncio.create_task(self._run())

    @property
    def full(self) -> bool:
        """There is no room left for messages that Kafka does not take: what is enqueued now may be dropped."""
        return self.backlog.full

    async def watch(self) -> None:
        """Wait for ever; raises what ended the flushers, if anything does, so that the process can end with it."""
        await asyncio.shield(self._running)

    def enqueue(self, value: bytes, rows: int, settled: Settled | None = None) -> None:
        """Take a message of `rows` rows; it is counted from here on, and `settled` told what became of it."""
        self.backlog.put(value, rows, settled)
        self._drained.clear()
        while self._free:
            flusher = self._free.popleft()
            if not flusher.done():
                flusher.set_result(None)
                break

    async def stop(self, seconds: float = 5) -> None:
        """Deliver for at most `seconds`; the rest stays in the spool file, which the next start drains first."""
        if self._stopped:
            return
        self._stopped = True
        if not self.backlog.empty:
            try:
                async with asyncio.timeout(seconds):
                    await self._drained.wait()
            except TimeoutError:
                log.warning("rows left in the spool", topic=self._topic, rows=self._waiting())
        self._closing = True
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self.backlog.close()

    def _waiting(self) -> int:
        return self.backlog.memory_rows + self.backlog.spool_rows

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as flushers:
            for partition in await self._broker.partitions():
                flushers.create_task(self._flush(partition))

    async def _flush(self, partition: int) -> None:
        link: Link | None = None
        try:
            while not self._closing:
                todo = deque([await self._take()])
                while todo and not self._closing:  # should a library swallow the cancellation
                    try:
                        link = link or await self._broker.open(partition)
                        await link.send([message.value for message in todo[0]])
                        self._settle(todo[0])
                        todo.popleft()
                    except Exception as error:  # noqa: BLE001  # the loop's edge: whatever failed, these rows must go out
                        broken, link = link, None
                        await self._failed(broken, partition, error)
                        todo.extendleft(self._again(todo.popleft(), error))
        finally:
            if link is not None:
                await link.close()

    async def _take(self) -> list[Waiting]:
        while not (taken := self.backlog.take()):
            free = asyncio.get_running_loop().create_future()
            self._free.append(free)
            await free
        return taken

    def _settle(self, messages: list[Waiting]) -> None:
        self.backlog.settle(messages)
        if self.backlog.empty:
            self._drained.set()

    def _again(self, messages: list[Waiting], error: Exception) -> list[list[Waiting]]:
        """What to send next, last first: all of it, but a batch refused for its size in halves."""
        if not isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
            return [messages]
        if len(messages) > 1:
            half = len(messages) // 2
            return [messages[half:], messages[:half]]
        self.backlog.refuse(messages, f"the broker refuses its size: {error}")
        return []

    async def _failed(self, link: Link | None, partition: int, error: Exception) -> None:
        log.warning("publishing failed, trying again", topic=self._topic, partition=partition, error=repr(error))
        if link is not None:
            REBUILT.labels(self._topic).inc()
            await link.close()
        await asyncio.sleep(1)
