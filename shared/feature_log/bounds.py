"""What a snapshot is asked for, and which rows of each table that takes in."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

import pyarrow as pa
import pyarrow.dataset as ds

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.events.retraining import LabelsWanted
from shared.feature_log.schema import PARTITION, TIME, TableKind


@dataclass(frozen=True)
class Bounds:
    """start <= event_time < end, as it was known at one moment.

    Known by event time: neither a row nor a label with an event time after `as_of`. Known by the log: nothing that
    Kafka took, or that was imported, after `logged_by`; None: all that the pinned versions hold, for where events are
    replayed, the log's clock says nothing of theirs. `label_kind`: see `SnapshotPin`. `labels`: rows without one stay
    out ("required"), or come with null ("left").
    """

    start: datetime
    end: datetime
    as_of: datetime
    label_kind: LabelKind | None
    labels: LabelsWanted = "required"
    logged_by: datetime | None = None

    def checked(self) -> Self:
        """The same with all times in UTC.

        Raises:
            InvalidInput: a time has no time zone, or `end` is not after `start`.
        """
        start, end, as_of = _utc("start", self.start), _utc("end", self.end), _utc("as_of", self.as_of)
        if start >= end:
            raise InvalidInput("end", "must be after start")
        logged_by = None if self.logged_by is None else _utc("logged_by", self.logged_by)
        return replace(self, start=start, end=end, as_of=as_of, logged_by=logged_by)


def _utc(name: str, time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidInput(name, "must have a time zone")
    return time.astimezone(UTC)


def wanted_rows(kind: TableKind, bounds: Bounds) -> ds.Expression:
    """The rows of a table that may belong to the snapshot."""
    return {"predictions": _predictions, "labels": _labels, "history": _history}[kind](bounds)


def _predictions(bounds: Bounds) -> ds.Expression:
    return _in_range(bounds) & _logged(bounds) & (ds.field("role") == "champion") & ~ds.field("repeat")


def _labels(bounds: Bounds) -> ds.Expression:
    day, time = ds.field(PARTITION), ds.field("event_time")
    known = (day <= pa.scalar(bounds.as_of.date())) & _known("event_time", bounds) & _logged(bounds)
    if bounds.label_kind is None:
        return known
    # What is older than every row is older than its own, so it does not count.
    return known & (day >= pa.scalar(bounds.start.date())) & (time >= pa.scalar(bounds.start, TIME))


def _history(bounds: Bounds) -> ds.Expression:
    rows = _in_range(bounds) & _logged(bounds)
    if bounds.labels == "left":
        return rows
    return rows & _known("label_time", bounds) & ds.field("label").is_valid()


def _in_range(bounds: Bounds) -> ds.Expression:
    day, time = ds.field(PARTITION), ds.field("event_time")
    days = (day >= pa.scalar(bounds.start.date())) & (day <= pa.scalar(bounds.end.date()))
    times = (time >= pa.scalar(bounds.start, TIME)) & (time < pa.scalar(bounds.end, TIME))
    return days & times & _known("event_time", bounds)


def _known(name: str, bounds: Bounds) -> ds.Expression:
    return ds.field(name) <= pa.scalar(bounds.as_of, TIME)


def _logged(bounds: Bounds) -> ds.Expression:
    if bounds.logged_by is None:
        return ds.scalar(True)
    return ds.field("log_time") <= pa.scalar(bounds.logged_by, TIME)
