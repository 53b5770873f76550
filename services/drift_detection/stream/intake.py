"""One message: a batch of predictions or a word of another worker, into the state or to the dead-letters."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from structlog import get_logger

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_words import LabelWord
from services.drift_detection.domain.performance.meeting import Labels
from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.domain.source.parts import Taken
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.source.words import PartWord
from services.drift_detection.domain.too_late import rows_too_late
from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.store.labels import decode_label_word, is_label_word
from services.drift_detection.store.wire import decode_word
from services.drift_detection.stream.metrics import LABELS, UNPLACED, count_message, count_rows
from shared.batch import PredictionBatch, decode_batch, encode_batch
from shared.errors import Unreadable
from shared.events import RowsTooLate
from shared.kafka.dead_letters import dead_letter
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.replays import concerns

log = get_logger()
SERVICE = "drift_detection"
MOST_PAUSE = 30.0  # seconds between two looks at a bundle that can't be read


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
    """What was taken in and not yet stored: `handled` are events whose offsets may be committed once the state is,
    `buried` the dead-letters that must be sent before.
    """

    def __init__(self) -> None:
        self._handled: list[Any] = []
        self._buried: list[OutMessage] = []

    def handled(self, event: Any) -> None:
        """It is in the state."""
        self._handled.append(event)

    def bury(self, message: InMessage, reason: str, *, known: bool) -> None:
        """It can't be read; of one that is `known` that was said before."""
        log.warning("dead letter", topic=message.topic, partition=message.partition, offset=message.offset, why=reason)
        count_message(message.topic, "dead_letter")
        if not known:
            self.put_aside(message, reason)

    def put_aside(self, message: InMessage, reason: str) -> None:
        """Send it to the dead-letters."""
        self._buried.append(dead_letter(message, reason, SERVICE))

    def handed_over(self) -> tuple[list[Any], list[OutMessage]]:
        """What was handled and buried since the last time."""
        handled, self._handled = self._handled, []
        buried, self._buried = self._buried, []
        return handled, buried


class BatchIntake(Intake):
    """Takes batches of predictions into the source partitions. Rows in the future go to the dead-letters as a batch;
    `too_late` tells of rows that came too late, to be said before the state is stored.
    """

    def __init__(self, sources: Sources, bundles: Bundles) -> None:
        super().__init__()
        self.sources = sources
        self.too_late: list[RowsTooLate] = []
        self._bundles = bundles

    async def take(self, event: Any) -> None:
        """Take in one event of Faust's."""
        message = from_event(event)
        place = Place(message.partition, message.offset, message.timestamp_ms * 1000)
        if not concerns(message, SERVICE):  # its rows were counted when they first came
            count_message(message.topic, "repeat")
            self.sources.skip(place)
            self.handled(event)
            return
        try:
            batch = decode_batch(message.value or b"")
            watched = await self._bundles.get(batch.meta.digest)
            await self._know_failed(batch)
            taken = self.sources.take(place, batch, watched)
            if taken is not None:
                self.too_late += rows_too_late(place, batch, watched, taken)
                self._told(message, batch, taken)
            count_message(message.topic, "handled" if taken else "repeat")
        except Unreadable as error:
            known = place.offset <= self.sources.partitions[place.partition].offset
            self.bury(message, str(error), known=known)
            if isinstance(error, Misfit):
                self.sources.refuse(place, error)
            self.sources.skip(place)
        self.handled(event)

    async def _know_failed(self, batch: PredictionBatch) -> None:
        """Versions that answer nothing have no messages of their own; without its bundle a failure has no pane."""
        for digest in sorted({failed.digest for failed in batch.meta.failed or ()} - {batch.meta.digest}):
            try:
                self.sources.know(await self._bundles.get(digest))
            except Unreadable as error:
                log.warning("failed rows of a version whose bundle can not be read", why=str(error))

    def _told(self, message: InMessage, batch: PredictionBatch, taken: Taken) -> None:
        """Count what was taken; what lies in the future is put aside."""
        count_rows(taken.tally)
        if taken.unplaced:
            UNPLACED.inc(taken.unplaced)
        if count := taken.tally.future:
            reason = f"event_time: {count} rows lie more than 5 minutes after the time at which Kafka appended them"
            log.warning("rows in the future", partition=message.partition, offset=message.offset, rows=count)
            self.put_aside(replace(message, value=encode_batch(batch[taken.future])), reason)


class WordIntake(Intake):
    """Takes words into the partitions of models that are held here."""

    def __init__(  # the clock is an option
        self,
        mergings: Mapping[int, Merging],
        catalogue: dict[str, Watched],
        bundles: Bundles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.mergings = mergings
        self._catalogue = catalogue
        self._bundles = bundles
        self._clock = clock
        self._pauses: dict[str, tuple[float, float]] = {}  # of bundles that can't be read: when it began, how long

    async def take(self, event: Any) -> None:
        """Take in one event of Faust's."""
        message = from_event(event)
        merging = self.mergings[message.partition]
        known = message.offset <= merging.offset
        try:
            if is_label_word(value := message.value or b""):
                await self._take_labels(merging.labels, decode_label_word(value, merging.labels.heads))
            else:
                word = decode_word(value, len(merging.heads))
                if isinstance(word, PartWord):
                    await self._load(word.key.digest)
                merging.take(word)
            count_message(message.topic, "repeat" if known else "handled")
        except Unreadable as error:
            self.bury(message, str(error), known=known)
        merging.offset = max(merging.offset, message.offset)
        self.handled(event)

    async def _take_labels(self, labels: Labels, word: LabelWord) -> None:
        for digest in sorted({entry.digest for entry in word.entries}):
            await self._load(digest)
        before = labels.too_late
        labels.take(word)
        if labels.too_late > before:
            log.warning("labels came too late", partition=word.partition, labels=labels.too_late - before)
            LABELS.labels("too_late").inc(labels.too_late - before)

    async def load_missing(self) -> None:
        """Get the bundles of windows under way that are not at hand; those that can't be read are waited for."""
        for digest in sorted({digest for merging in self.mergings.values() for digest in merging.missing()}):
            await self._load(digest)

    async def _load(self, digest: str) -> None:
        since, pause = self._pauses.get(digest, (0.0, 0.0))
        if digest in self._catalogue or self._clock() - since < pause:
            return
        try:
            self._catalogue[digest] = await self._bundles.get(digest)
            self._pauses.pop(digest, None)
        except Unreadable as error:
            self._pauses[digest] = self._clock(), min(max(2 * pause, 0.25), MOST_PAUSE)
            log.warning("windows under way wait for their bundle", why=str(error))
