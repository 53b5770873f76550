"""Messages that the feature log can't read, one of each kind, and what the reason must say of each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from shared.arrow_ipc import read_record
from shared.batch import PredictionBatch, encode_batch
from shared.cloudevents import encode
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.features import Rows
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.message import OutMessage

HUGE = 900_000  # bytes; Kafka takes 1 MB


class Poison(NamedTuple):
    """`reason`: a text that the reason of the dead-letter holds."""

    kind: str
    message: OutMessage
    reason: str


def poisons(good: PredictionBatch, labels: LabelsReceived) -> list[Poison]:
    """Of predictions, made of a good batch of another model than that of `labels`, with features of both kinds; and of
    labels, made of good ones of one label.
    """
    return _predictions(good, labels.model) + _labels(labels) + _on_the_wrong_topic(good, labels)


def _predictions(good: PredictionBatch, other: str) -> list[Poison]:
    meta, value = good.meta, encode_batch(good)
    infinite, short = good.rows.numeric.copy(), len(value) // 2
    infinite[-1, 0] = np.inf
    width = infinite.shape[1]
    made: list[tuple[str, bytes, str]] = [
        ("empty value", b"", "prediction batch"),
        ("not Arrow", b"\x00\xff rubbish", "prediction batch"),
        ("huge, and not Arrow", b"\xff\xff\xff\xff" + np.random.default_rng(0).bytes(HUGE), "prediction batch"),
        ("truncated Arrow", value[:short], "prediction batch"),
        ("compressed", _written(value, 1, pa.ipc.IpcWriteOptions(compression="zstd")), "must not be compressed"),
        ("two batches", _written(value, 2), "more than one record batch"),
        ("no batch", _written(value, 0), "no record batch"),
        ("no rows", _changed(value, lambda record: record.slice(0, 0)), "no rows"),
        ("a column missing", _changed(value, lambda record: record.drop_columns(["scores"])), "'scores' is missing"),
        ("a column of another type", _changed(value, _as_text), "`row` must be int32"),
        ("null where none is allowed", _changed(value, _with_null), "`repeat` must be bool without nulls"),
        ("infinite values", encode_batch(replace(good, rows=replace(good.rows, numeric=infinite))), "infinite"),
        ("another width", _with_rows(good, width + 1, 0), f"numeric must be {width} float32 per row, not {width + 1}"),
        ("a code beyond the categories", _with_rows(good, width, 99_999), "is outside its "),
        ("an unknown bundle", _with(good, digest="f" * 64), "bundle " + "f" * 64),
        ("a bundle of another model", _with(good, model=other), f"its bundle is of model {meta.model}, not {other}"),
        ("another definition", _with(good, definition_digest="0" * 64), "definition_digest is not that"),
        ("a role that there is none of", _with(good, role="boss"), "`role` must match"),
        ("a path for a model's name", _with(good, model="../../etc"), "`model` must match"),
    ]
    return [Poison(kind, OutMessage(PREDICTIONS, content), reason) for kind, content, reason in made]


def _labels(labels: LabelsReceived) -> list[Poison]:
    good = encode(labels, "inference")
    future = replace_labels(labels, event_time=datetime(2999, 1, 1, tzinfo=UTC))
    many = labels.model_copy(update={"labels": labels.labels * 1_001})
    days = [replace_labels(labels, event_time=datetime(2013, 1, 1, tzinfo=UTC) + timedelta(n)) for n in range(32)]
    long = labels.model_copy(update={"labels": tuple(item for each in days for item in each.labels)})

    def other(old: bytes, new: bytes) -> OutMessage:
        assert old in good.value
        return replace(good, value=good.value.replace(old, new))

    def forged(header: str, value: bytes) -> OutMessage:
        return replace(good, headers=tuple((name, value if name == header else told) for name, told in good.headers))

    made: list[tuple[str, OutMessage, str]] = [
        ("labels: not a number", other(b'"value":1.0', b'"value":NaN'), "labels.0.value"),
        ("labels: a kind that there is none of", other(b'"kind":"label"', b'"kind":"rumour"'), "labels.0.kind"),
        ("labels: an unknown field", other(b'"row":0', b'"row":0,"more":1'), "labels.0.more"),
        ("labels: cut", replace(good, value=good.value[:-9]), "LabelsReceived"),
        ("labels: too many", encode(many, "inference"), "labels: Tuple should have at most 1000 items"),
        ("labels: from the future", encode(future, "inference"), "lies in the future"),
        ("labels: of too many days", encode(long, "inference"), "of at most 31 different days"),
        ("labels: no headers", replace(good, headers=()), "ce_type"),
        ("labels: forged id", forged("ce_id", b"0" * 32), "ce_id"),
        ("labels: forged subject", forged("ce_subject", b"other"), "ce_subject"),
        ("labels: headers that are no text", forged("ce_type", b"\xff\xfe"), "ce_type"),
        ("labels: with a key", replace(good, key=b"key"), "key"),
    ]
    return [Poison(*each) for each in made]


def _on_the_wrong_topic(good: PredictionBatch, labels: LabelsReceived) -> list[Poison]:
    return [
        Poison("labels among predictions", replace(encode(labels, "inference"), topic=PREDICTIONS), "prediction batch"),
        Poison("predictions among labels", OutMessage(LABELS, encode_batch(good)), "ce_type"),
    ]


def one_label(model: str) -> LabelsReceived:
    """A good message."""
    item = LabelItem(request_id="r", value=1.0, event_time=datetime(2013, 3, 2, tzinfo=UTC))
    return LabelsReceived(id=stable_id("one", model), time=item.event_time, model=model, labels=(item,))


def replace_labels(labels: LabelsReceived, **fields: object) -> LabelsReceived:
    """The message with these fields in each of its labels."""
    return labels.model_copy(update={"labels": tuple(item.model_copy(update=fields) for item in labels.labels)})


def _with(good: PredictionBatch, **meta: str) -> bytes:
    return encode_batch(replace(good, meta=replace(good.meta, **meta)))  # type: ignore[arg-type]  # faults on purpose


def _with_rows(good: PredictionBatch, width: int, code: int) -> bytes:
    count = len(good)
    rows = Rows(np.zeros((count, width), np.float32), np.full((count, good.rows.categorical.shape[1]), code, np.int32))
    return encode_batch(replace(good, rows=rows))


def _written(value: bytes, times: int, options: pa.ipc.IpcWriteOptions | None = None) -> bytes:
    record, sink = read_record(value), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema, options=options) as writer:
        for _ in range(times):
            writer.write_batch(record)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _changed(value: bytes, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> bytes:
    before = read_record(value)
    record, sink = change(before).replace_schema_metadata(before.schema.metadata), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema) as writer:
        writer.write_batch(record)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _as_text(record: pa.RecordBatch) -> pa.RecordBatch:
    return record.set_column(record.schema.get_field_index("row"), "row", record.column("row").cast(pa.string()))


def _with_null(record: pa.RecordBatch) -> pa.RecordBatch:
    nulls = pa.array([None] + [False] * (len(record) - 1))
    return record.set_column(record.schema.get_field_index("repeat"), "repeat", nulls)
