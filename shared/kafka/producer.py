"""The producer of the control plane: every send is awaited, nothing is lost, order is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from structlog import get_logger

from shared.kafka.message import OutMessage

log = get_logger()

# aiokafka's defaults are acks=1, no idempotence and waits of 40 s.
RELIABLE: dict[str, Any] = {"acks": "all", "enable_idempotence": True, "request_timeout_ms": 8_000}


class Producer:
    """Idempotent, acks=all. Safe to use from many tasks."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._config = {"bootstrap_servers": bootstrap, "client_id": client_id, **RELIABLE}
        self._producer: Any = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Connect; raises KafkaConnectionError if no broker answers."""
        producer = AIOKafkaProducer(**self._config)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is waiting and disconnect."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def send(self, messages: Sequence[OutMessage]) -> None:
        """Send in order; returns when all are acknowledged.

        Raises:
            KafkaError: some are not; the caller may send all again, since repeats are recognised by their ids.
        """
        producer = await self._ready()
        try:
            futures = [
                await producer.send(message.topic, message.value, key=message.key, headers=list(message.headers))
                for message in messages
            ]
            await asyncio.gather(*futures)
        except KafkaError:
            await self._discard(producer)
            raise

    async def _ready(self) -> AIOKafkaProducer:
        async with self._changing:
            if self._producer is None:
                await self.start()
            return self._producer

    async def _discard(self, broken: AIOKafkaProducer) -> None:
        """A poisoned idempotent producer never recovers, so after any failure the next send makes a new one."""
        async with self._changing:
            if self._producer is not broken:
                return
            self._producer = None
            log.warning("producer discarded after a failed send")
            try:
                await asyncio.wait_for(broken.stop(), timeout=5)
            except (KafkaError, TimeoutError) as error:
                log.warning("producer did not stop cleanly", error=str(error))
