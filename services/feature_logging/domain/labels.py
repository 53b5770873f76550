"""Received labels as rows of the tables `labels` and `business`."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.feature_logging.domain.origin import Origin, source_columns
from services.feature_logging.domain.pairs import Label
from shared.batch import request_key
from shared.cloudevents import rfc3339
from shared.errors import Unreadable
from shared.events import LabelsReceived
from shared.events.labels import AHEAD, MOST_DAYS, beyond_days
from shared.feature_log.schema import LABELS

LabelTable = Literal["labels", "business"]
# What a Label is made of.
LABEL_COLUMNS = ["request_id", "row", "value", "event_time", "prediction_time", "log_time"]
LABEL_COLUMNS += ["source_partition", "source_offset", "source_row"]
# What a label and its prediction have in common.
MET = ["request_id", "row"]


def label_rows(event: LabelsReceived, origin: Origin) -> dict[LabelTable, pa.Table]:
    """One row per label, by the table it belongs in; the id as sent becomes the 16 bytes under which its prediction was
    logged. `source_row` counts the message's labels of both kinds.

    Raises:
        Unreadable: a label is more than 5 minutes ahead of the message's LogAppendTime, or they are of more than 31
            different days.
    """
    labels = event.labels
    _check_times(event, origin)
    columns: dict[str, object] = {
        "request_id": [request_key(event.model, label.request_id) for label in labels],
        "row": [label.row for label in labels],
        "value": [label.value for label in labels],
        "event_time": [label.event_time for label in labels],
        "event_day": [label.event_time.date() for label in labels],
        "prediction_time": [label.prediction_time for label in labels],
    }
    columns |= source_columns([origin], [len(labels)])
    rows = pa.table([pa.array(columns[field.name], field.type) for field in LABELS], schema=LABELS)
    business = pa.array([label.kind == "business" for label in labels])
    parts: dict[LabelTable, pa.Table] = {
        "labels": rows.filter(pc.call_function("invert", [business])),
        "business": rows.filter(business),
    }
    return {kind: part for kind, part in parts.items() if len(part)}


def labels_of(rows: pa.Table, *, business: bool) -> list[Label]:
    """Rows of the tables `labels` or `business` as labels."""
    columns = [rows.column(name) for name in LABEL_COLUMNS]
    plain = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in columns]
    values = zip(*(column.to_pylist() for column in plain), strict=True)
    return [Label(request_id, row, business, *others) for request_id, row, *others in values]


def waiting_or_newest(rows: pa.Table, met: pa.Table, most: int) -> tuple[pa.Table, int]:
    """Of labels, the oldest first, the newest `most` and the newest `most` that wait for a prediction, that is, whose
    `request_id` and `row` are not in `met`; and how many more wait.
    """
    if len(rows) <= most:
        return rows, 0
    keys = rows.select(MET).append_column("place", pa.array(np.arange(len(rows))))
    left = keys.join(met.select(MET), MET, join_type="left anti").column("place").to_numpy()
    waiting = np.sort(left)
    kept = np.union1d(waiting[-most:], np.arange(len(rows) - most, len(rows)))
    return rows.take(pa.array(kept)), max(0, len(waiting) - most)


def _check_times(event: LabelsReceived, origin: Origin) -> None:
    # The whole message, for an offset is either in the table or rejected; inference lets no such label through.
    for position, label in enumerate(event.labels):
        if label.event_time - origin.log_time > AHEAD:
            said = f"labels[{position}].event_time: {rfc3339(label.event_time)} lies in the future"
            raise Unreadable(f"LabelsReceived: {said}, the message came at {rfc3339(origin.log_time)}")
    if (beyond := beyond_days(event.labels)) is not None:
        said = f"labels[{beyond}].event_time: must be of one of at most {MOST_DAYS} different days (UTC)"
        raise Unreadable(f"LabelsReceived: {said}")
