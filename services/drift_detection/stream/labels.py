"""The second way in: outcomes. Words of their labels are sent before it is stored that they were."""

from collections.abc import Collection
from typing import Any

from services.drift_detection.domain.performance.label_sources import LabelSources
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.models import Bundles
from services.drift_detection.store.labels import encode_label_word, source_entry
from services.drift_detection.stream.cycle import Quiet, Storage, release
from services.drift_detection.stream.intake import Intake, from_event
from services.drift_detection.stream.metrics import LABELS, count_message
from services.drift_detection.stream.voice import Voice
from shared.errors import Unreadable
from shared.kafka.message import InMessage
from shared.outcomes import decode_outcomes


class LabelIntake(Intake):
    """Takes batches of outcomes into the partitions of them that are held here."""

    def __init__(self, sources: LabelSources, bundles: Bundles) -> None:
        super().__init__()
        self.sources = sources
        self._bundles = bundles

    async def take(self, event: Any) -> None:
        """Take in one event of Faust's."""
        message = from_event(event)
        place = Place(message.partition, message.offset, message.timestamp_ms * 1000)
        try:
            await self._take(message, place)
        except Unreadable as error:
            known = place.offset <= self.sources.partitions[place.partition].offset
            self.bury(message, str(error), known=known)
            self.sources.skip(place)
        self.handled(event)

    async def _take(self, message: InMessage, place: Place) -> None:
        batch = decode_outcomes(message.value or b"")
        taken = self.sources.take(place, batch, await self._bundles.get(batch.meta.digest))
        count_message(message.topic, "handled" if taken else "repeat")
        if taken is None:
            return
        for outcome, labels in taken._asdict().items():
            LABELS.labels(outcome).inc(labels)
        if taken.out_of_time:
            self.put_aside(message, f"event_time or label_time: of {taken.out_of_time} labels they can not be true")


class LabelCycle:
    """Tells the models' side of the outcomes that are held here."""

    def __init__(self, intake: LabelIntake, storage: Storage, voice: Voice) -> None:
        self._intake = intake
        self._storage = storage
        self._voice = voice
        self._quiet = Quiet()

    async def run(self, at_end: Collection[int]) -> None:
        """One round. `at_end` are the partitions read to their end.

        Raises:
            KafkaError: how far it came could not be stored.
        """
        handled, buried = self._intake.handed_over()
        sources = self._intake.sources
        offsets = {number: source.offset for number, source in sources.partitions.items()}
        moved = [source for source in sources.partitions.values() if source.told < source.offset]
        messages = [encode_label_word(home, word) for home, word in sources.words(self._quiet.of(at_end, offsets))]
        entries = [source_entry(source) for source in moved]
        await self._voice.send(buried)
        await self._voice.send(messages)
        self._voice.alive()
        await self._storage.write(entries)
        release(handled)
