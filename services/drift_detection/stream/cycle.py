"""The cycle: store the state, then let offsets be committed, then speak. What is published is always stored before."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Protocol

from aiokafka.errors import KafkaError
from structlog import get_logger

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.partition import WindowKey
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.store.codec import Entry, head_entry, model_entry, partial_entry, partial_key
from services.drift_detection.stream.intake import SERVICE, Intake
from services.drift_detection.stream.metrics import EVENTS, OPEN
from shared.cloudevents import encode
from shared.events import DriftDetected, DriftResolved, DriftRetracted, Event
from shared.kafka.message import OutMessage
from shared.kafka.producer import Producer
from shared.signing import Signer

log = get_logger()
MOST_WINDOWS = 16  # of a model in one record: what is stored must stay below the broker's limit on a message


class Storage(Protocol):
    """Where the state is kept."""

    async def write(self, entries: Collection[Entry]) -> None: ...
    async def remove(self, keys: Collection[bytes]) -> None: ...


class Cycle:
    """Stores and publishes for one engine. Without `speaks` it only stores: another worker has some partitions."""

    def __init__(self, intake: Intake, storage: Storage, producer: Producer, signer: Signer, *, speaks: bool) -> None:
        self.engine: Engine = intake.engine
        self.speaks = speaks
        self._intake = intake
        self._storage = storage
        self._producer = producer
        self._signer = signer
        self._stored = {number: state.offset for number, state in self.engine.partitions.items()}

    async def run(self, at_end: Callable[[], Collection[int]]) -> None:
        """One round, or as many as it takes until nothing is due. `at_end` says the partitions read to their end.

        Raises:
            KafkaError: the state could not be stored.
        """
        more = True
        while more:
            handled, buried = self._intake.handed_over()
            entries = self._changed_entries()
            more = self.speaks and self.engine.advance(at_end(), MOST_WINDOWS)
            over = self.engine.finish() if self.speaks and not more else set()
            records, watches = self._changed_models()
            await self._send(buried)
            await self._storage.write(entries)
            _release(handled)
            await self._storage.write(records)
            await self._publish(watches)
            await self._forget(over)

    def _changed_entries(self) -> list[Entry]:
        """Partials first, then the head that vouches for them: a head without its partials would lose rows."""
        entries: list[Entry] = []
        for number, state in self.engine.partitions.items():
            entries += [partial_entry(number, key, state.partials[key]) for key in sorted(state.changed)]
            state.changed.clear()
            if state.offset > self._stored[number]:
                entries.append(head_entry(state))
                self._stored[number] = state.offset
        return entries

    def _changed_models(self) -> tuple[list[Entry], list[tuple[ModelWatch, int]]]:
        changed = [watch for watch in self.engine.watches.values() if watch.changed or watch.outbox]
        if not self.speaks:
            return [], []
        return [model_entry(watch.store()) for watch in changed], [(watch, len(watch.outbox)) for watch in changed]

    async def _publish(self, watches: Collection[tuple[ModelWatch, int]]) -> None:
        for watch, count in watches:
            events = watch.outbox[:count]
            await self._send([encode(event, SERVICE, self._signer) for event in events])
            watch.sent(count)
            for event in events:
                _tell(event)
            OPEN.labels(watch.model).set(sum(one.state == "open" for one in watch.record.incidents))

    async def _send(self, messages: list[OutMessage]) -> None:
        """Send until it is acknowledged: a broker that is away for a while must not end the service."""
        while messages:
            try:
                await self._producer.send(messages)
                messages = []
            except KafkaError as error:
                log.warning("send failed, trying again", error=str(error))
                await asyncio.sleep(1)

    async def _forget(self, over: Collection[WindowKey]) -> None:
        """Only after the models' records say that these windows are final."""
        await self._storage.remove([partial_key(number, key) for number in self.engine.partitions for key in over])


def _release(handled: Collection[Any]) -> None:
    for event in handled:
        event.ack()


def _tell(event: Event) -> None:
    EVENTS.labels(event.type).inc()
    if isinstance(event, DriftDetected):
        names = [feature.name for feature in event.features]
        moved = [feature.name for feature in event.also_moved]
        log.warning("drift", model=event.model, features=names, also_moved=moved, severity=event.severity)
    elif isinstance(event, DriftResolved | DriftRetracted):
        log.info(event.type, model=event.model, incident=event.incident_id)
