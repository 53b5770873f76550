"""The sender of the outbox: in order, until acknowledged, then marked."""

import asyncio
from datetime import timedelta

from aiokafka.errors import KafkaError
from prometheus_client import Gauge
from structlog import get_logger

from services.governance.store import outbox
from services.governance.store.desk import Desk
from shared.kafka.producer import Producer

log = get_logger()
WAITING = Gauge("driftline_governance_outbox_waiting", "Events written but not yet acknowledged by Kafka")
AT_ONCE = 100
KEPT = timedelta(days=30)  # wall clock, since they were sent


class OutboxSender:
    """Sends what the store has queued. A crash before the mark sends the same bytes, with the same id, once more."""

    def __init__(self, desk: Desk, producer: Producer, pause: float = 0.2) -> None:
        self._desk = desk
        self._producer = producer
        self._pause = pause

    async def run(self) -> None:
        """Send for ever; an unreachable broker is tried again."""
        while True:
            try:
                sent = await self.send_waiting()
            except KafkaError as error:
                log.warning("outbox: send failed, trying again", error=str(error))
                await asyncio.sleep(1)
            else:
                if not sent:
                    await asyncio.sleep(self._pause)

    async def send_waiting(self) -> int:
        """Send the oldest events and mark them; returns how many. Raises KafkaError if they are not acknowledged."""
        waiting = await asyncio.to_thread(self._waiting)
        if waiting:
            await self._producer.send([entry.message for entry in waiting])
            await asyncio.to_thread(self._mark, waiting[-1].position)
            log.info("events sent", count=len(waiting), topics=sorted({entry.message.topic for entry in waiting}))
        return len(waiting)

    def _waiting(self) -> list[outbox.Waiting]:
        with self._desk.database.read() as connection:
            found = outbox.waiting(connection, AT_ONCE)
            WAITING.set(outbox.backlog(connection) if found else 0)
            return found

    def _mark(self, up_to: int) -> None:
        now = self._desk.clock()
        with self._desk.database.write() as connection:
            outbox.mark(connection, up_to, now)
            outbox.prune(connection, now - KEPT)
