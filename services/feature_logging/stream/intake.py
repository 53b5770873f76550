"""The way in: messages become rows, rows wait in the log's buffer, commits come before Kafka's offsets."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from structlog import get_logger

from services.feature_logging.domain.forgetting import Came, Conceals, Nobody
from services.feature_logging.domain.labels import label_rows, labels_of
from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.predictions import Message
from services.feature_logging.domain.rejected import rejected_row
from services.feature_logging.models import Known
from services.feature_logging.store.labels.matcher import DEFAULT_BOUNDS, Bounds
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.pending import Unmade
from services.feature_logging.store.place import Place
from services.feature_logging.store.rejections import Rejections, told_before
from services.feature_logging.stream.gaps import Gaps
from services.feature_logging.stream.outcomes import Outcomes
from shared.batch import PredictionBatch, decode_batch
from shared.cloudevents import decode
from shared.definition import NAME
from shared.errors import Unreadable
from shared.events import LabelsReceived
from shared.feature_log.opened import Source
from shared.feature_log.schema import LABELS, PREDICTIONS, REJECTED, TableKind, rejected_path, table_path
from shared.kafka.admin import PREDICTIONS as PREDICTIONS_TOPIC
from shared.kafka.dead_letters import short_reason
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.replays import concerns, replayed_letters

log = get_logger()
SERVICE = "feature_logging"
Lookup = Callable[[str], Known]


class Intake:
    """The handler, dead-letter hook and flush of the consume loop.

    `lookup` gives what is known of a bundle by its digest, or raises Unreadable; it may take long, and is asked once.
    """

    def __init__(
        self,
        feature_log: FeatureLog,
        lookup: Lookup,
        concealer: Conceals | None = None,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> None:
        self._log = feature_log
        self._concealer = concealer or Nobody()
        self._lookup = lookup
        self._rejected = Place(rejected_path(feature_log.tables), REJECTED)
        self._rejections: Rejections | None = None
        self._gaps = Gaps(feature_log)
        self._stale = False
        self._bundles: dict[str, Known] = {}
        self._outcomes = Outcomes(feature_log, self._bundle, self._concealer, bounds)

    def into(self, feature_log: FeatureLog) -> "Intake":
        """One that takes messages into another log in the same way."""
        return Intake(feature_log, self._lookup, self._concealer)

    def taken(self, topic: str) -> int:
        """How many rows or labels of it ever came."""
        return self._outcomes.taken[topic]

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        """Take a message's rows, unless the log has them.

        Raises:
            Unreadable: the message breaks its contract, or was found to before.
            OtherKafka: see Gaps.
            Fenced, NotDurable: see FeatureLog.
        """
        self._see_others()
        origin = _origin(message)
        if not concerns(message, SERVICE):
            await self._set_aside(origin, "replayed for another service: these rows were logged when they first came")
            return ()
        await self._gaps.passed(origin)
        if reason := (await self._known_rejections()).reason(origin):
            raise Unreadable(reason)
        if message.topic == PREDICTIONS_TOPIC:
            await self._predictions(message, origin)
        else:
            await self._labels(message, origin)
        # What waits to be matched is bounded as what waits to be written is.
        return await self.flush() if self._outcomes.rows >= self._log.most_rows else ()

    async def reject(self, message: InMessage, reason: str) -> None:
        """Write down that a message was unreadable, so that its offset is no gap."""
        batch = _readable(message)
        again = batch is not None and await self._told_before(message, batch)
        await self._set_aside(_origin(message), reason, None if again else batch)

    async def _set_aside(self, origin: Origin, reason: str, batch: PredictionBatch | None = None) -> None:
        await self._gaps.passed(origin)
        if not await self._is_set_aside(origin):
            await self._log.add(self._rejected, rejected_row(origin, short_reason(reason), batch), origin)
            (await self._known_rejections()).note(origin, reason)

    async def _is_set_aside(self, origin: Origin) -> bool:
        """Not by its offset alone: a message may be found unreadable only when it is read again, after later ones."""
        rejections = await self._known_rejections()
        if rejections.knows(origin):
            return rejections.reason(origin) is not None
        return await self._log.holds(self._rejected, origin)

    async def flush(self) -> Sequence[OutMessage]:
        """Everything taken so far is in the tables and on disk; the outcomes of it are to be sent."""
        await self._log.commit()
        return await self._outcomes.flush()

    def forget(self) -> None:
        """Drop what was taken and not flushed, and all that was read of the tables: it is read again."""
        self._log.forget()
        self._gaps.read_anew()
        self.forget_outcomes()
        self._rejections = None

    def forget_outcomes(self) -> None:
        """Match nothing of what was taken and not flushed."""
        self._outcomes.forget()

    async def assigned(self, earliest: Mapping[Source, int], committed: Mapping[Source, int]) -> Mapping[Source, int]:
        """These partitions came, perhaps from another worker, whose commits must be seen; `earliest` is the oldest
        offset that Kafka has of each, `committed` the one before which all was read. Called beside a running handler.
        Gives the offsets from which on nothing is in the tables, so that all from there on must be read, whatever Kafka
        takes for read.

        Raises:
            Fenced, NotDurable: see FeatureLog.
        """
        self._stale = True
        self._gaps.read_anew()
        if self._log.waiting:
            return {}
        self._see_others()
        held = await self._gaps.assigned(earliest)
        self._log.resume(held)
        await self._log.prove({source: min(offset, committed.get(source, 0)) for source, offset in held.items()})
        return held

    def _see_others(self) -> None:
        if self._stale and not self._log.waiting:
            self._log.forget()
            self._rejections = None
            self._stale = False

    async def _known_rejections(self) -> Rejections:
        if self._rejections is None:
            self._rejections = await self._log.rejections(self._rejected)
        return self._rejections

    async def _predictions(self, message: InMessage, origin: Origin) -> None:
        value = message.value or b""
        batch = decode_batch(value)
        if not re.match(NAME, batch.meta.model):
            raise Unreadable("prediction batch: metadata `model` is no model's name")
        place = _place(self._log.tables, batch.meta.model, "predictions")
        if not await self._log.holds(place, origin):
            known = await self._bundle(batch.meta.digest)
            known.check(batch)
            days = frozenset(np.unique(batch.event_time.astype("datetime64[D]").astype(int)).tolist())
            taken = Message(batch, origin, await self._told_before(message, batch))
            rows = Unmade(known.schema, len(batch), len(value), days, taken, known.rows)
            await self._log.add(place, rows, origin)
        self._outcomes.predictions_came(origin, batch)

    async def _told_before(self, message: InMessage, batch: PredictionBatch) -> bool:
        """Is it a replay of what was rejected with its producer's number?"""
        replayed = bool(replayed_letters(message))
        return replayed and await self._log.read(partial(told_before, self._log.tables, batch.meta))

    async def _bundle(self, digest: str) -> Known:
        if digest not in self._bundles:
            self._bundles[digest] = await asyncio.to_thread(self._lookup, digest)
        return self._bundles[digest]

    async def _labels(self, message: InMessage, origin: Origin) -> None:
        event = decode(message)
        if not isinstance(event, LabelsReceived):
            raise Unreadable(f"{event.type}: is no LabelsReceived")
        parts = label_rows(event, origin)
        for kind, rows in parts.items():
            place = _place(self._log.tables, event.model, kind)
            if not await self._log.holds(place, origin):
                days = frozenset(rows.column("event_day").cast(pa.int32()).unique().to_pylist())
                came = Came(event.model, rows)
                unmade = Unmade(LABELS, len(rows), rows.nbytes, days, came, self._concealer.labels)
                await self._log.add(place, unmade, origin)
        labels = [label for kind, rows in parts.items() for label in labels_of(rows, business=kind == "business")]
        self._outcomes.labels_came(event.model, origin, labels)


@lru_cache(maxsize=1_000)
def _place(tables: Path, model: str, kind: TableKind) -> Place:
    # Kept, since it is asked for with each message, and a path is slow to make and to compare with another.
    return Place(table_path(tables, model, kind), PREDICTIONS if kind == "predictions" else LABELS)


def _readable(message: InMessage) -> PredictionBatch | None:
    """A message of predictions whose rows can't be logged may still tell who sent it."""
    try:
        return decode_batch(message.value or b"") if message.topic == PREDICTIONS_TOPIC else None
    except Unreadable:
        return None


def _origin(message: InMessage) -> Origin:
    return Origin(message.topic, message.partition, message.offset, message.timestamp_ms)
