"""Small batches, labels and messages for the tests of feature_logging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from services.feature_logging.domain import predictions
from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.predictions import check_batch
from services.feature_logging.models import Known
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from services.feature_logging.stream.intake import Intake
from shared.batch import Meta, PredictionBatch, encode_batch
from shared.cloudevents import encode
from shared.definition import ModelDefinition, parse_definition
from shared.errors import Unreadable
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.feature_log.schema import LABELS, PREDICTIONS, table_path, with_features
from shared.features import Rows
from shared.kafka.admin import PREDICTIONS as PREDICTIONS_TOPIC
from shared.kafka.message import InMessage

MODEL = "flights"
DIGEST = "d" * 64
START = datetime(2013, 3, 1, tzinfo=UTC)
LOGGED_MS = 1_362_182_400_123  # a day after START
TOPIC = PREDICTIONS_TOPIC
CATEGORIES = {"origin": ("EWR", "JFK", "LGA")}

DEFINITION = """
name = "flights"
owner = "ops"
features = [
    {{ name = "wind", kind = "numeric" }},
    {{ name = "origin", kind = "{origin_kind}" }},
    {{ name = "temp", kind = "numeric" }},
    {more}
]
label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
"""


def definition(origin_kind: str = "categorical", more: str = "") -> ModelDefinition:
    """The definition of the samples' model, or a variant."""
    return parse_definition(DEFINITION.format(origin_kind=origin_kind, more=more))


def batch(count: int = 3, first: int = 0, **meta: Any) -> PredictionBatch:
    """`count` champion rows of requests `first`, `first` + 1, ...; one a minute from START."""
    numbers = np.arange(first, first + count)
    known: dict[str, Any] = {
        "model": MODEL,
        "digest": DIGEST,
        "definition_digest": definition().digest,
        "role": "champion",
    }
    return PredictionBatch(
        meta=Meta(**(known | {"producer": "p", "sequence": 0, "rows_so_far": count} | meta)),
        request_id=[key(int(number)) for number in numbers],
        row=np.zeros(count, np.int32),
        entity=[f"N{number}" if number % 2 else None for number in numbers],
        event_time=np.datetime64(START.replace(tzinfo=None), "us") + numbers * np.timedelta64(60_000_000, "us"),
        repeat=np.zeros(count, np.bool_),
        rows=Rows(
            np.column_stack([numbers, np.full(count, np.nan)]).astype(np.float32),
            ((numbers % 5) - 2).astype(np.int32)[:, None],
        ),
        scores=np.full((count, 1), 0.25, np.float32),
        latency_us=np.full(count, 150, np.int32),
    )


def key(number: int) -> bytes:
    """The request_id of a numbered request."""
    return number.to_bytes(16, "big")


def prediction_rows(
    some: PredictionBatch, of: ModelDefinition, categories: Mapping[str, Sequence[str]], at: Origin
) -> pa.Table:
    """The rows of one message, checked."""
    check_batch(some, of, categories, 1)
    return predictions.prediction_rows([predictions.Message(some, at)], of, categories)


def origin(offset: int, partition: int = 0, topic: str = TOPIC) -> Origin:
    """A place in Kafka."""
    return Origin(topic, partition, offset, LOGGED_MS)


def message(value: bytes | None, offset: int, partition: int = 0) -> InMessage:
    """A message on the topic of predictions."""
    return InMessage(TOPIC, partition, offset, None, value, (), LOGGED_MS)


def prediction_message(offset: int, partition: int = 0, count: int = 3, **meta: Any) -> InMessage:
    """A message with a batch whose requests are numbered by its place, so that all differ."""
    return message(encode_batch(batch(count, (partition * 1_000 + offset) * 1_000, **meta)), offset, partition)


def label_message(
    offset: int, count: int = 2, partition: int = 0, model: str = MODEL, first: datetime = START
) -> InMessage:
    """A message with labels of requests r0, r1, ...; one an hour from `first`."""
    items = tuple(
        LabelItem(request_id=f"r{number}", value=1.0, event_time=first + timedelta(hours=number))
        for number in range(count)
    )
    event = LabelsReceived(id=stable_id(offset, partition), time=START, model=model, labels=items)
    out = encode(event, "inference")
    return InMessage(out.topic, partition, offset, out.key, out.value, out.headers, LOGGED_MS)


def place(tables: Path, kind: str = "predictions", model: str = MODEL) -> Place:
    """Where one of the model's tables lies."""
    schema = LABELS if kind == "labels" else with_features(PREDICTIONS, definition())
    return Place(table_path(tables, model, "labels" if kind == "labels" else "predictions"), schema)


def feature_log(tables: Path, rows: int = 1_000_000, compact_commits: int = 1_000) -> FeatureLog:
    """A feature log whose troubles go nowhere."""
    return FeatureLog(tables, Limits(rows, compact_commits), lambda _: None)


def rows_of(where: Place) -> pa.Table:
    """All rows of a table, read with plain deltalake."""
    return LogTable(where).delta.to_pyarrow_table()


@dataclass(frozen=True)
class FakeBundles:
    """A bundle store in memory: definitions by digest."""

    known: Mapping[str, ModelDefinition]

    def get(self, digest: str) -> Known:
        """As services.feature_logging.models.Bundles."""
        if digest not in self.known:
            raise Unreadable(f"bundle {digest}: no such bundle")
        return Known(self.known[digest], CATEGORIES)


def intake(tables: Path) -> Intake:
    """The way in to a log, which knows the samples' one bundle."""
    return Intake(feature_log(tables), FakeBundles({DIGEST: definition()}).get)


def without_rows(some: PredictionBatch) -> PredictionBatch:
    """The batch with none of its rows."""
    none = np.arange(0)
    return replace(
        some,
        request_id=[],
        row=some.row[none],
        entity=[],
        event_time=some.event_time[none],
        repeat=some.repeat[none],
        rows=some.rows[none],
        scores=some.scores[none],
        latency_us=some.latency_us[none],
    )
