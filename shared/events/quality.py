"""What drift_detection says of the quality of the data: a report per window, and of a feed that is silent."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.batch import Role
from shared.events.base import Digest, Event, EventId, Finite, Record, UtcTime
from shared.events.drift import DRIFT

FindingKind = Literal[
    "misfit",  # rows that did not fit the bundle
    "silent",  # no rows where there should have been some
    "few_rows",
    "many_rows",
    "doubled",  # every row came more than once
    "repeated",  # the rows of the window before came again
    "late",  # the time from event to log grew
    "missing",
    "zeros",
    "below_range",  # of the reference
    "above_range",
    "below_limit",  # of the definition
    "above_limit",
    "unseen",
    "flat",  # one value only
]


class Finding(Record):
    """Something that a clean window does not show. `feature` is None for the window as a whole.

    `value` is a share of the rows for misfit, missing, zeros, below, above and unseen; rows for few_rows, many_rows
    and silent; how often each row came for doubled; rows again for repeated; median seconds for late; the value
    itself, or None for a category, for flat. `expected` has the same unit; a clean window keeps within `low` and
    `high`; None where there is no such bound.
    """

    feature: str | None
    kind: FindingKind
    value: Finite | None
    expected: Finite | None
    low: Finite | None
    high: Finite | None
    severity: Literal["minor", "major"]


class ColumnQuality(Record):
    """Shares of one feature or score. Missing is of all rows, the rest of those that are not; None if there are none.

    `expected_missing` is the reference's share. `below_limit` and `above_limit` are of the definition's range, the
    others of the reference's; None where there is none.
    """

    name: str
    missing: Finite
    expected_missing: Finite
    zeros: Finite | None = None
    below_range: Finite | None = None
    above_range: Finite | None = None
    below_limit: Finite | None = None
    above_limit: Finite | None = None
    unseen: Finite | None = None


class Arrival(Record):
    """Seconds from event time to Kafka's LogAppendTime, of all rows of the window: median (to 19 %) and greatest."""

    median_seconds: Finite
    greatest_seconds: Finite


MisfitReason = Literal["model", "definition", "width"]


class Misfit(Record):
    """Rows whose message did not fit the bundle and went to the dead-letters, by reason."""

    reason: MisfitReason
    rows: int = Field(ge=1)


class DataQualityReported(Event, frozen=True):
    """The quality of one window [start, end) of a champion. It informs, it is no alarm.

    `revision` grows with each word on it: with the window's, and where rows were refused or the window before changed.

    Without `findings` all `checks` found nothing. `level` is the probability that a clean window has any.
    `expected_rows` and `low_rows`, `high_rows`, the bounds that a clean window keeps within, are None without a
    reference of at least 7 whole days. `not_assessed` says which kinds of checks the reference does not allow.
    A window without rows is the first of a silence: `end` then is the end of the last silent pane known, and grows
    from revision to revision.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["DataQualityReported"] = "DataQualityReported"
    window_id: EventId
    revision: int = Field(ge=0)
    digest: Digest
    reference_digest: Digest
    role: Role
    start: UtcTime
    end: UtcTime
    rows: int = Field(ge=0)
    repeats: int = Field(ge=0)
    late_rows: int = Field(ge=0)
    expected_rows: Finite | None
    low_rows: Finite | None
    high_rows: Finite | None
    arrival: Arrival | None
    misfits: tuple[Misfit, ...]
    columns: tuple[ColumnQuality, ...]
    checks: int = Field(ge=0)
    level: Finite
    not_assessed: tuple[str, ...]
    findings: tuple[Finding, ...]
