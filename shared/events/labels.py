"""Labels, as a client posts them and as inference passes them on."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Event, Finite, Record, UtcTime

AHEAD = timedelta(minutes=5)  # clocks differ; what came true later than this after now has not come true yet


class LabelItem(Record):
    """What came true for one row. (request_id, row, kind, event_time) is its identity; a later time is a correction."""

    request_id: str = Field(min_length=1, max_length=256)
    row: int = Field(default=0, ge=0, le=2**31 - 1, strict=True)
    value: Finite = Field(strict=True)
    event_time: UtcTime
    prediction_time: UtcTime | None = None
    kind: Literal["label", "business"] = "label"


class LabelsReceived(Event, frozen=True):
    """At most 1,000 labels of one model; their order does not matter, so they are spread over the partitions."""

    topic: ClassVar[str] = "driftline.labels"
    keyed: ClassVar[bool] = False
    type: Literal["LabelsReceived"] = "LabelsReceived"
    labels: Annotated[tuple[LabelItem, ...], Field(min_length=1, max_length=1_000)]
