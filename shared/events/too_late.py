"""The side window of drift_detection: rows that came too late for any statistic."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.batch import Role
from shared.events.base import Digest, Event, EventId, Record, UtcTime
from shared.events.drift import DRIFT


class MissedWindow(Record):
    """So many rows would have been in this window, of all rows, had they come in time; none if all were repeats."""

    window_id: EventId
    start: UtcTime
    rows: int = Field(ge=0)


class RowsTooLate(Event, frozen=True):
    """Rows of the message at (`partition`, `offset`) of the predictions came too late, and are in no window.

    They lay more than the allowed lateness behind the highest event time at lower offsets of the partition; or the
    partition had brought no rows of the model for over a day when they came, and the others had ended their window.
    Then `after` says from where on: they are all that the messages above that offset (-1: all messages), up to
    `offset`, have for the window; else it is None, and they are of one message.
    Windows are not said again for them: add up what all these events say. `time` is the highest event time up to that
    message, or the model's watermark.
    Where a message has rows for very many windows, more than one event tells them, with rising `part`.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["RowsTooLate"] = "RowsTooLate"
    digest: Digest
    role: Role
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    after: int | None = Field(default=None, ge=-1)
    part: int = Field(ge=0)
    windows: tuple[MissedWindow, ...] = Field(min_length=1)
