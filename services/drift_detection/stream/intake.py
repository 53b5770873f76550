"""One message of the predictions: into the state, or to the dead-letters."""

from typing import Any

from structlog import get_logger

from services.drift_detection.domain.engine import Engine, Place
from services.drift_detection.models import Bundles
from services.drift_detection.stream.metrics import MESSAGES, count_rows
from shared.batch import decode_batch
from shared.errors import Unreadable
from shared.kafka.dead_letters import dead_letter
from shared.kafka.message import InMessage, OutMessage

log = get_logger()
SERVICE = "drift_detection"


def from_event(event: Any) -> InMessage:
    """A Faust event's message as the rest of Driftline knows it."""
    message = event.message
    headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
    return InMessage(
        message.topic,
        message.partition,
        message.offset,
        message.key,
        message.value,
        tuple(headers),
        round(message.timestamp * 1000),
    )


class Intake:
    """Takes messages into an engine. `handled` are events whose offsets may be committed once the state is stored,
    `buried` the dead-letters that must be sent before.
    """

    def __init__(self, engine: Engine, bundles: Bundles) -> None:
        self.engine = engine
        self.handled: list[Any] = []
        self.buried: list[OutMessage] = []
        self._bundles = bundles

    async def take(self, event: Any) -> None:
        """Take in one event of Faust's."""
        message = from_event(event)
        place = Place(message.partition, message.offset, message.timestamp_ms * 1000)
        try:
            batch = decode_batch(message.value or b"")
            watched = await self._bundles.get(batch.meta.digest)
            tally = self.engine.take(place, batch, watched)
            if tally is not None:
                count_rows(tally)
            MESSAGES.labels(message.topic, "handled" if tally else "repeat").inc()
        except Unreadable as error:
            self._bury(message, place, str(error))
        self.handled.append(event)

    def _bury(self, message: InMessage, place: Place, reason: str) -> None:
        log.warning("dead letter", topic=message.topic, partition=message.partition, offset=message.offset, why=reason)
        MESSAGES.labels(message.topic, "dead_letter").inc()
        if self.engine.partitions[place.partition].offset < place.offset:
            self.buried.append(dead_letter(message, reason, SERVICE))
        self.engine.skip(place)

    def handed_over(self) -> tuple[list[Any], list[OutMessage]]:
        """What was handled and buried since the last time."""
        handled, self.handled = self.handled, []
        buried, self.buried = self.buried, []
        return handled, buried
