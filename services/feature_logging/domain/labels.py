"""Received labels as rows of the table `labels`."""

import pyarrow as pa

from services.feature_logging.domain.origin import Origin, source_columns
from shared.batch import request_key
from shared.cloudevents import rfc3339
from shared.errors import Unreadable
from shared.events import LabelsReceived
from shared.events.labels import AHEAD
from shared.feature_log.schema import LABELS


def label_rows(event: LabelsReceived, origin: Origin) -> pa.Table:
    """One row per label; the id as sent becomes the 16 bytes under which its prediction was logged.

    Raises:
        Unreadable: a label is more than 5 minutes ahead of the message's LogAppendTime.
    """
    labels = event.labels
    _check_times(event, origin)
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


def _check_times(event: LabelsReceived, origin: Origin) -> None:
    # The whole message, for an offset is either in the table or rejected; inference lets no such label through.
    for position, label in enumerate(event.labels):
        if label.event_time - origin.log_time > AHEAD:
            said = f"labels[{position}].event_time: {rfc3339(label.event_time)} lies in the future"
            raise Unreadable(f"LabelsReceived: {said}, the message came at {rfc3339(origin.log_time)}")
