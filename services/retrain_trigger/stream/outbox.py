"""The sender of the journal's outbox: in order, until acknowledged, then marked."""

import asyncio

from aiokafka.errors import KafkaError
from prometheus_client import Counter
from structlog import get_logger

from services.retrain_trigger.store import Journal
from shared.kafka.producer import Producer

log = get_logger()
SENT = Counter("driftline_retraining_events_total", "Events that Kafka has acknowledged")
PAUSE = 0.1


async def send_outbox(journal: Journal, producer: Producer) -> None:
    """Send for ever. A crash before the mark sends the same bytes, with the same id, once more."""
    while True:
        waiting = journal.unsent()
        if not waiting:
            await asyncio.sleep(PAUSE)
            continue
        try:
            await producer.send([entry.message for entry in waiting])
        except KafkaError as error:
            log.warning("events can't be sent, trying again", why=str(error))
            await asyncio.sleep(1)
        else:
            journal.mark_sent(waiting[-1].position)
            SENT.inc(len(waiting))
