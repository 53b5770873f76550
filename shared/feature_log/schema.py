"""Schemas and places of the feature log's Delta tables: `<tables>/<model>/<kind>` and `<tables>/_rejected`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa

from shared.definition import Feature, ModelDefinition
from shared.feature_log.columns import RESERVED

TableKind = Literal["predictions", "labels", "business", "history", "outcomes"]
TIME = pa.timestamp("us", "UTC")
PARTITION = "event_day"
# The columns of all tables that files have statistics of: see `indexed`. None of them is ever null: where a file lacks
# the least value of a column that the table says is indexed, deltalake's readers leave that file out of any filter on
# the column.
INDEXED = (
    "row",
    "event_time",
    "log_time",
    "source_partition",
    "source_offset",
    "source_row",
    "partition",
    "offset",
    "trigger_offset",
)

ENCRYPTED = b"driftline.encrypted"
HASHED = b"driftline.hashed"

# A row's place in Kafka: (source_partition, source_offset, source_row) is unique in its table. source_row counts the
# rows of one message, since a message may hold the same (request_id, row) twice: a client's repeat.
_SOURCE = [("source_partition", pa.int32()), ("source_offset", pa.int64()), ("source_row", pa.int32())]

SCORES = pa.list_(pa.field("element", pa.float32()))

# What a row breaks of its definition, each `feature:kind`; null where it breaks nothing.
FLAGS = pa.list_(pa.field("element", pa.string()))

# `champion_scores`: what the champion answered to the same row, null but for a shadow's.
PREDICTIONS = pa.schema(
    [
        ("request_id", pa.binary()),
        ("row", pa.int32()),
        ("entity", pa.string()),
        ("event_time", TIME),
        ("event_day", pa.date32()),
        ("log_time", TIME),
        ("repeat", pa.bool_()),
        ("role", pa.string()),
        ("bundle_digest", pa.string()),
        ("definition_digest", pa.string()),
        ("scores", SCORES),
        ("champion_scores", SCORES),
        ("latency_us", pa.int32()),
        ("traceparent", pa.string()),
        ("producer", pa.string()),
        ("sequence", pa.int64()),
        ("rows_so_far", pa.int64()),
        ("flags", FLAGS),
        *_SOURCE,
    ]
)
# Of the tables `labels`, what the model predicts, and `business`, what came of it.
LABELS = pa.schema(
    [
        ("request_id", pa.binary()),
        ("row", pa.int32()),
        ("value", pa.float64()),
        ("event_time", TIME),
        ("event_day", pa.date32()),
        ("prediction_time", TIME),
        ("log_time", TIME),
        *_SOURCE,
    ]
)
# Pairs of a label and a prediction, each once, by the prediction's day. `replaced`: the label that a correction takes
# back. label_*: the label's place in its topic, source_*: the prediction's, trigger_*: of the message whose coming made
# the pair, `log_time` its time. `number`: which row this is of its trigger's partition, digest and role, from 1.
OUTCOMES = pa.schema(
    [
        ("request_id", pa.binary()),
        ("row", pa.int32()),
        ("event_time", TIME),
        ("event_day", pa.date32()),
        ("role", pa.string()),
        ("bundle_digest", pa.string()),
        ("definition_digest", pa.string()),
        ("scores", SCORES),
        ("champion_scores", SCORES),
        ("business", pa.bool_()),
        ("label", pa.float64()),
        ("label_time", TIME),
        ("label_log_time", TIME),
        ("replaced", pa.float64()),
        ("label_partition", pa.int32()),
        ("label_offset", pa.int64()),
        ("label_row", pa.int32()),
        ("trigger_topic", pa.string()),
        ("trigger_partition", pa.int32()),
        ("trigger_offset", pa.int64()),
        ("number", pa.int64()),
        ("log_time", TIME),
        *_SOURCE,
    ]
)
# `log_time`: when the row was imported, by the clock of who did it.
HISTORY = pa.schema(
    [
        ("request_id", pa.binary()),
        ("row", pa.int32()),
        ("entity", pa.string()),
        ("event_time", TIME),
        ("event_day", pa.date32()),
        ("log_time", TIME),
        ("label", pa.float64()),
        ("label_time", TIME),
    ]
)
# What a producer says of its message, and how many rows it had, are null where that could not be read either.
REJECTED = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("log_time", TIME),
        ("producer", pa.string()),
        ("sequence", pa.int64()),
        ("rows_so_far", pa.int64()),
        ("rows", pa.int64()),
    ]
)
# Offsets `first` to `last`, both included, that Kafka no longer had; `found` by the clock of who read.
GAPS = pa.schema(
    [("topic", pa.string()), ("partition", pa.int32()), ("first", pa.int64()), ("last", pa.int64()), ("found", TIME)]
)
# A link of the hash chain over the rows of a topic partition: see shared/feature_log/proof/links.py.
_PART = pa.struct([("table", pa.string()), ("rows", pa.int64()), ("content", pa.string())])
_SENT = pa.struct(
    [("producer", pa.string()), *((name, pa.int64()) for name in ("messages", "rows", "last", "rows_so_far"))]
)
PROOF = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("hour", TIME),
        *((name, pa.int64()) for name in ("first", "last", "messages", "rows", "rejected", "repeats", "holes")),
        ("cuts", pa.list_(pa.field("element", pa.int64()))),
        ("parts", pa.list_(pa.field("element", _PART))),
        ("producers", pa.list_(pa.field("element", _SENT))),
        ("before", pa.string()),
        ("hash", pa.string()),
    ]
)
# The columns of a model's tables that are no features. A feature may be named as a column of a table without features.
OWN: Mapping[str, pa.Schema] = {
    "predictions": PREDICTIONS,
    "labels": LABELS,
    "business": LABELS,
    "history": HISTORY,
    "outcomes": OUTCOMES,
}
REJECTED_NAME = "_rejected"
PROOF_NAME = "_proof"


def table_path(tables: Path, model: str, kind: TableKind) -> Path:
    """Where a model's table of this kind lies."""
    return tables / model / kind


def indexed(table: Path) -> Sequence[str]:
    """Which columns the files of the table at a path have statistics of, as far as it has them: none is a feature's."""
    return [name for name in INDEXED if table.name not in OWN or name in OWN[table.name].names]


def rejected_path(tables: Path) -> Path:
    """Where the table of unreadable messages lies."""
    return tables / REJECTED_NAME


def gaps_path(tables: Path) -> Path:
    """Where the table of messages lies that Kafka deleted before they were read."""
    return tables / "_gaps"


def proof_path(tables: Path) -> Path:
    """Where the hash chain lies."""
    return tables / PROOF_NAME


def app_id(topic: str, partition: int) -> str:
    """The Delta `txn` app id whose version is the next offset of a topic partition."""
    return f"{topic}/{partition}"


def plain_field(feature: Feature) -> pa.Field:
    """A feature's column: float32 (numeric) or string (categorical); missing and unseen are null."""
    return pa.field(feature.name, pa.float32() if feature.kind == "numeric" else pa.string())


def kept_field(feature: Feature) -> pa.Field:
    """The column as tables have it: a hash is text, marked as HASHED; what is encrypted is bytes, and ENCRYPTED says of
    what type.
    """
    plain = plain_field(feature)
    if feature.sensitive == "hash":
        return pa.field(feature.name, pa.string(), metadata={HASHED: "yes"})
    if feature.sensitive == "encrypt":
        return pa.field(feature.name, pa.binary(), metadata={ENCRYPTED: str(plain.type)})
    return plain


def form_of(field: pa.Field) -> str:
    """What a column holds, in words: its type, and whether that is hashed or encrypted."""
    marks = field.metadata or {}
    if ENCRYPTED in marks:
        return f"encrypted {marks[ENCRYPTED].decode()}"
    return "hashed" if HASHED in marks else str(field.type)


def plain_features(own: pa.Schema, definition: ModelDefinition) -> pa.Schema:
    """The schema of PREDICTIONS or HISTORY for one definition before what is sensitive is protected."""
    return pa.schema([*own, *map(plain_field, definition.features)])


def with_features(own: pa.Schema, definition: ModelDefinition) -> pa.Schema:
    """The schema of PREDICTIONS or HISTORY for one definition: own columns, then the features in its order, but those
    that are left out.
    """
    return pa.schema([*own, *(kept_field(each) for each in definition.features if each.sensitive != "leave_out")])


def features_of(schema: pa.Schema) -> list[pa.Field]:
    """The feature columns of a table's schema, sorted by name."""
    return sorted((field for field in schema if field.name not in RESERVED), key=lambda field: field.name)
