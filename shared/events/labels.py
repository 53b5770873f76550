"""Labels, as a client posts them and as inference passes them on."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Event, Finite, Record, UtcTime

AHEAD = timedelta(minutes=5)  # clocks differ; what came true later than this after now has not come true yet

# Of a message, of predictions as of labels. The feature log has a file per day: 1,000 days held a commit up for more
# than 10 s, and slow it for good.
MOST_DAYS = 31


class LabelItem(Record):
    """What came true for one row. (request_id, row, kind, event_time) is its identity; a later time is a correction."""

    request_id: str = Field(min_length=1, max_length=256)
    row: int = Field(default=0, ge=0, le=2**31 - 1, strict=True)
    value: Finite = Field(strict=True)
    event_time: UtcTime
    prediction_time: UtcTime | None = None
    kind: Literal["label", "business"] = "label"


class LabelsReceived(Event, frozen=True):
    """At most 1,000 labels of one model, of at most 31 different days (UTC) of event time. Their order does not matter,
    so they are spread over the partitions.
    """

    topic: ClassVar[str] = "driftline.labels"
    keyed: ClassVar[bool] = False
    type: Literal["LabelsReceived"] = "LabelsReceived"
    labels: Annotated[tuple[LabelItem, ...], Field(min_length=1, max_length=1_000)]


def beyond_days(labels: Sequence[LabelItem]) -> int | None:
    """The position of the first label whose day is one more than a message may have; None if there is none."""
    first: dict[date, int] = {}
    for position, label in enumerate(labels):
        first.setdefault(label.event_time.date(), position)
    return next(islice(first.values(), MOST_DAYS, None), None)
