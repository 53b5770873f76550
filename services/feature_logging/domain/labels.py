"""Received labels as rows of the table `labels`."""

import pyarrow as pa

from services.feature_logging.domain.origin import Origin, source_columns
from shared.batch import request_key
from shared.events import LabelsReceived
from shared.feature_log.schema import LABELS


def label_rows(event: LabelsReceived, origin: Origin) -> pa.Table:
    """One row per label; the id as sent becomes the 16 bytes under which its prediction was logged."""
    labels = event.labels
    columns: dict[str, object] = {
        "request_id": [request_key(event.model, label.request_id) for label in labels],
        "row": [label.row for label in labels],
        "kind": [label.kind for label in labels],
        "value": [label.value for label in labels],
        "event_time": [label.event_time for label in labels],
        "event_day": [label.event_time.date() for label in labels],
        "prediction_time": [label.prediction_time for label in labels],
    }
    columns |= source_columns(origin, len(labels))
    return pa.table([pa.array(columns[field.name], field.type) for field in LABELS], schema=LABELS)
