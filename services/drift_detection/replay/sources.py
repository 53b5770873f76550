"""Where the rows come from: Kafka, or the feature log, which keeps their places in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.replay.kafka import Topic
from services.drift_detection.store.rows import rows_of, scores_of
from shared.batch import Meta, PredictionBatch, Role, decode_batch
from shared.errors import Unreadable
from shared.feature_log.answered import PLACE, all_rows, forgotten_rows
from shared.feature_log.retired import retired_predictions
from shared.kafka.replays import concerns

Message = tuple[Place, PredictionBatch, Watched]


class KafkaRows:
    """The messages of one model on driftline.predictions; `notes` say what could not be read. `lacks_rows`: the first
    are not kept any more.
    """

    def __init__(self, topic: Topic, bundles: Bundles, model: str) -> None:
        self.notes: list[str] = []
        self.lacks_rows = False
        self._topic = topic
        self._bundles = bundles
        self._model = model

    async def messages(self) -> AsyncIterator[Message]:
        """In the order of each partition."""
        unreadable = 0
        async for message in self._topic.messages():
            if not concerns(message, "drift_detection"):
                continue
            try:
                batch = decode_batch(message.value or b"")
                if batch.meta.model != self._model:
                    continue
                place = Place(message.partition, message.offset, message.timestamp_ms * 1000)
                yield place, batch, await self._bundles.get(batch.meta.digest)
            except Unreadable:
                unreadable += 1
        self.lacks_rows = any(self._topic.begins.values())
        self.notes += [f"{unreadable} messages can't be read, or their bundle can't"] if unreadable else []
        self.notes += [
            f"partition {number} is kept from offset {first} on: windows of rows before can't be recomputed"
            for number, first in self._topic.begins.items()
            if first
        ]


class LogRows:
    """The messages of one model as the feature log has them; `notes` say what is not there. `lacks_rows`: some that
    were there are gone.
    """

    def __init__(self, tables: Path, bundles: Bundles, model: str) -> None:
        self.notes: list[str] = []
        self.lacks_rows = False
        self._tables = tables
        self._bundles = bundles
        self._model = model

    async def messages(self) -> AsyncIterator[Message]:
        """In the order of each partition. The log's `log_time` is the time at which Kafka appended the message.

        Raises:
            Unreadable: the log can't be read, or has no rows of the model.
        """
        self._note_what_is_gone()
        unreadable, rows = 0, all_rows(self._tables, self._model)
        if not len(rows):
            raise Unreadable("; ".join((f"feature log: there are no rows of {self._model}", *self.notes)))
        for part in _by_message(rows):
            first = {name: part.column(name)[0].as_py() for name in (*PLACE, "role", "bundle_digest")}
            try:
                watched = await self._bundles.get(first["bundle_digest"])
            except Unreadable:
                unreadable += 1
                continue
            appended = int(part.column("log_time").cast(pa.int64())[0].as_py())
            place = Place(first["source_partition"], first["source_offset"], appended)
            yield place, _batch(part, first["role"], watched), watched
        self.notes += [f"the bundle of {unreadable} messages can't be read"] if unreadable else []

    def _note_what_is_gone(self) -> None:
        if forgotten := forgotten_rows(self._tables, self._model):
            self.notes.append(f"{forgotten} rows were forgotten: windows that had them differ")
        if gone := retired_predictions(self._tables, self._model):
            days = f"{gone.first_day} to {gone.last_day}"
            self.notes.append(f"{gone.rows} rows of {days} were retired: windows that had them differ")
        self.lacks_rows = bool(forgotten or gone)


def _by_message(table: pa.Table) -> Iterator[pa.Table]:
    """`table` is sorted by place, and has rows."""
    places = np.stack([table.column(name).to_numpy().astype(np.int64) for name in PLACE[:2]])
    starts = np.flatnonzero(np.diff(places, prepend=-1).any(axis=0)).tolist()
    for first, after in zip(starts, [*starts[1:], len(table)], strict=True):
        yield table.slice(first, after - first)


def _batch(part: pa.Table, role: Role, watched: Watched) -> PredictionBatch:
    count = len(part)
    return PredictionBatch(
        meta=Meta(watched.model, watched.digest, watched.definition.digest, role, "log", 0, count),
        request_id=part.column("request_id").to_pylist(),
        row=part.column("row").to_numpy().astype(np.int32),
        entity=part.column("entity").to_pylist(),
        event_time=part.column("event_time").cast(pa.int64()).to_numpy().astype("datetime64[us]"),
        repeat=part.column("repeat").to_numpy().astype(np.bool_),
        rows=rows_of(part, watched),
        scores=scores_of(part, watched),
        latency_us=part.column("latency_us").to_numpy().astype(np.int32),
    )
