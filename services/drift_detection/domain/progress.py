"""How far the stream has come."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from services.drift_detection.domain.merging import Merging
from shared.reference.panes import MICROSECONDS, moment


class SourceProgress(BaseModel):
    """One (model, digest, role): event time reached by the model, rows read (of these `repeats`, `too_late` and
    `future` are in no statistics), windows published, and how long ago Kafka got the last of them.
    """

    watermark: datetime | None
    last_row_age_seconds: float | None
    rows: int
    repeats: int
    too_late: int
    future: int
    windows: int


# By model, bundle digest and role.
Progress = dict[str, dict[str, dict[str, SourceProgress]]]


def progress(mergings: Iterable[Merging], now: float) -> Progress:
    """The progress of all models that are at home here, as far as they were told of the rows read.

    `now` in seconds since 1970 UTC.
    """
    shown: Progress = {}
    for merging in mergings:
        for source, tally in merging.tallies().items():
            record = merging.watch(source.model).record
            shown.setdefault(source.model, {}).setdefault(source.digest, {})[source.role] = SourceProgress(
                watermark=None if record.watermark is None else moment(record.watermark),
                windows=record.published.get(source.digest, {}).get(source.role, 0),
                last_row_age_seconds=None if not tally.appended else max(now - tally.appended / MICROSECONDS, 0.0),
                rows=tally.rows,
                repeats=tally.repeats,
                too_late=tally.too_late,
                future=tally.future,
            )
    return shown
