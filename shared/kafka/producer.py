"""The producer of the control plane: every send is awaited, nothing is lost, order is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from structlog import get_logger

from shared.kafka.admin import MOST_BYTES
from shared.kafka.message import OutMessage

log = get_logger()

# aiokafka's defaults are acks=1, no idempotence and waits of 40 s.
RELIABLE: dict[str, Any] = {"acks": "all", "enable_idempotence": True, "request_timeout_ms": 8_000}
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
# Sending the same again can't help.
HOPELESS = (
    *TOO_LARGE,
    InvalidTopicError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)
_PARTING = 10.0  # seconds; longer than a request takes to time out


class Producer:
    """Idempotent, acks=all. Safe to use from many tasks."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._config = {"bootstrap_servers": bootstrap, "client_id": client_id, **RELIABLE}
        self._config["max_request_size"] = MOST_BYTES
        self._partings: set[asyncio.Task[None]] = set()
        self._producer: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Connect; raises KafkaConnectionError if no broker answers."""
        self._producer = await self._connect()

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._config)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Send what is waiting, for a while, and disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await self._part(producer)

    async def send(self, messages: Sequence[OutMessage]) -> None:
        """Send in order; returns when all are acknowledged.

        Raises:
            KafkaError: some are not; the caller may send all again, since repeats are recognised by their ids.
        """
        producer = await self._ready()
        futures: list[asyncio.Future[Any]] = []
        try:
            for message in messages:
                told = {"key": message.key, "partition": message.partition, "headers": list(message.headers)}
                futures.append(await producer.send(message.topic, message.value, **told))
            await asyncio.gather(*futures)
        except KafkaError:
            await self._discard(producer)
            asyncio.gather(*futures, return_exceptions=True)  # one error is told, the others are no news
            raise

    async def _ready(self) -> AIOKafkaProducer:
        async with self._changing:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _discard(self, broken: AIOKafkaProducer) -> None:
        """A poisoned idempotent producer never recovers, so after any failure the next send makes a new one."""
        async with self._changing:
            if self._producer is not broken:
                return
            self._producer = None
            log.warning("producer discarded after a failed send")
            await self._part(broken)

    async def _part(self, producer: AIOKafkaProducer) -> None:
        """Stop it, but do not wait for ever; cut short, its sender would go on without an owner."""
        parting = asyncio.create_task(producer.stop())
        self._partings.add(parting)
        parting.add_done_callback(self._parted)
        await asyncio.wait([parting], timeout=_PARTING)

    def _parted(self, parting: asyncio.Task[None]) -> None:
        self._partings.discard(parting)
        if not parting.cancelled() and (error := parting.exception()):
            log.warning("producer did not stop cleanly", error=repr(error))
