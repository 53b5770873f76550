"""Sending what is said, until the broker has it."""

import asyncio
from collections.abc import Callable, Collection

from aiokafka.errors import KafkaError
from structlog import get_logger

from services.drift_detection.stream.intake import SERVICE
from services.drift_detection.stream.metrics import EVENTS, UNSENT
from shared.cloudevents import encode
from shared.events import DriftDetected, DriftResolved, DriftRetracted, Event
from shared.kafka.message import OutMessage
from shared.kafka.producer import TOO_LARGE, Producer
from shared.signing import Signer

log = get_logger()


class Voice:
    """Sends; `alive` raises when this process may have been replaced, and what it has to say is no longer true."""

    def __init__(self, producer: Producer, signer: Signer, alive: Callable[[], None]) -> None:
        self._producer = producer
        self._signer = signer
        self.alive = alive

    async def send(self, messages: list[OutMessage]) -> None:
        """Send until it is acknowledged: a broker that is away for a while must not end the service. What the broker
        will never take is counted and left out, or nothing else would ever be said.
        """
        while messages:
            self.alive()
            try:
                await self._producer.send(messages)
                messages = []
            except TOO_LARGE as error:
                await self._send_singly(messages, error)
                messages = []
            except KafkaError as error:
                log.warning("send failed, trying again", error=str(error))
                await asyncio.sleep(1)

    async def _send_singly(self, messages: list[OutMessage], error: KafkaError) -> None:
        if len(messages) > 1:
            for message in messages:
                await self.send([message])
            return
        [message] = messages
        UNSENT.labels(message.topic).inc()
        log.error(
            "the broker will never take this", topic=message.topic, bytes=len(message.value or b""), why=str(error)
        )

    async def say(self, events: Collection[Event]) -> None:
        """Publish events, signed."""
        await self.send([encode(event, SERVICE, self._signer) for event in events])
        for event in events:
            _tell(event)


def _tell(event: Event) -> None:
    EVENTS.labels(event.type).inc()
    if isinstance(event, DriftDetected):
        names = [feature.name for feature in event.features]
        moved = [feature.name for feature in event.also_moved]
        log.warning("drift", model=event.model, features=names, also_moved=moved, severity=event.severity)
    elif isinstance(event, DriftResolved | DriftRetracted):
        log.info(event.type, model=event.model, incident=event.incident_id)
