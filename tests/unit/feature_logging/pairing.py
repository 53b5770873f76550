"""A worker of feature_logging without Kafka, and messages of predictions and labels for chosen ids."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from services.feature_logging.domain.forgetting import Conceals
from services.feature_logging.store.labels.matcher import DEFAULT_BOUNDS, Bounds
from services.feature_logging.stream.intake import Intake
from shared.batch import encode_batch, request_key
from shared.cloudevents import encode
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.kafka.message import InMessage, OutMessage
from shared.outcomes import OutcomeBatch, decode_outcomes
from tests.unit.feature_logging.samples import (
    DIGEST,
    LOGGED_MS,
    MODEL,
    START,
    FakeBundles,
    batch,
    definition,
    feature_log,
    message,
)

KNOWN = FakeBundles({DIGEST: definition(), "e" * 64: definition()})
# id, row, role, label, replaced, kind
Told = tuple[str, int, str, float, float | None, str]
NAMES: dict[bytes, str] = {}


def at(minutes: float) -> datetime:
    """So long after START."""
    return START + timedelta(minutes=minutes)


def uuid7(number: int, time: datetime = START) -> str:
    """A UUID of version 7 of this time."""
    milliseconds = int(time.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number))


def predicted(offset: int, *ids: str, minutes: float | list[float] = 0, partition: int = 0, **other: Any) -> InMessage:
    """A message of predictions, one row each, minutes after START; the same id again is the request's next row."""
    meta = {name: other.pop(name) for name in ("role", "digest") if name in other}
    count = len(ids)
    times = [at(each).replace(tzinfo=None) for each in np.broadcast_to(minutes, count).tolist()]
    NAMES.update((request_key(MODEL, name), name) for name in ids)
    rows = replace(
        batch(count, **meta),
        request_id=[request_key(MODEL, name) for name in ids],
        row=np.array([ids[:place].count(name) for place, name in enumerate(ids)], np.int32),
        event_time=np.array(times, "datetime64[us]"),
        scores=other.pop("scores", np.full((count, 1), 0.25, np.float32)),
        **other,
    )
    return message(encode_batch(rows), offset, partition)


@dataclass(frozen=True)
class L:
    """A label: minutes after START it came true; `told` minutes after START the prediction was made, by the client."""

    name: str
    value: float
    minutes: float = 60
    row: int = 0
    kind: Literal["label", "business"] = "label"
    told: float | None = None

    def item(self) -> LabelItem:
        """As it is posted."""
        NAMES[request_key(MODEL, self.name)] = self.name
        return LabelItem(
            request_id=self.name,
            row=self.row,
            value=self.value,
            event_time=at(self.minutes),
            prediction_time=None if self.told is None else at(self.told),
            kind=self.kind,
        )


def labelled(offset: int, *labels: L, partition: int = 0) -> InMessage:
    """A message of labels."""
    items = tuple(label.item() for label in labels)
    event = LabelsReceived(id=stable_id(offset, partition), time=START, model=MODEL, labels=items)
    out = encode(event, "inference")
    return InMessage(
        out.topic, partition, offset, out.key, out.value, out.headers, LOGGED_MS + 30 * 86_400_000 + offset
    )


class Worker:
    """Reads messages and flushes as the consume loop does, and keeps what is to be sent."""

    def __init__(
        self,
        tables: Path,
        bounds: Bounds = DEFAULT_BOUNDS,
        rows: int = 1_000_000,
        concealer: Conceals | None = None,
    ) -> None:
        self.log = feature_log(tables, rows)
        self.intake = Intake(self.log, KNOWN.get, concealer, bounds)
        self.sent: list[OutMessage] = []

    async def read(self, *messages: InMessage, flush: bool = True) -> list[Told]:
        """What was told of pairs, once all these messages are handled."""
        before = len(self.sent)
        for each in messages:
            self.sent += await self.intake.handle(each)
        if flush:
            self.sent += await self.intake.flush()
        return told(self.sent[before:])


def batches(sent: list[OutMessage]) -> list[OutcomeBatch]:
    """The messages decoded."""
    return [decode_outcomes(out.value) for out in sent]


def told(sent: list[OutMessage]) -> list[Told]:
    """The pairs of messages, sorted."""
    return sorted(
        (
            (
                NAMES[each.request_id[place]],
                int(each.row[place]),
                each.meta.role,
                float(each.label[place]),
                None if np.isnan(each.replaced[place]) else float(each.replaced[place]),
                "business" if each.business[place] else "label",
            )
            for each in batches(sent)
            for place in range(len(each))
        ),
        key=str,
    )
