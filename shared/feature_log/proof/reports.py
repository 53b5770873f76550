"""What is said about the log's completeness."""

from datetime import datetime
from typing import NamedTuple, Self

from pydantic import Field

from shared.events import Record
from shared.feature_log.opened import Lost
from shared.feature_log.proof.producers import ProducerReport
from shared.feature_log.retired import RetiredReport


class Gap(Record):
    """Offsets `first` to `last`, both included, that are in no table."""

    first: int
    last: int


class HourReport(Record):
    """What came to a topic partition within one hour of Kafka's clock; a gap belongs to the hour of what follows it."""

    hour: datetime
    first_offset: int
    last_offset: int
    rows: int = Field(description="rows in the models' tables")
    messages: int
    rejected: int
    repeats: int
    gaps: tuple[Gap, ...]


class PartitionReport(Record):
    """One topic partition. `messages` are distinct offsets, `rejected` those of them that could not be read,
    `lost` those that Kafka deleted before they were read, `repeats` rows that are there twice; `problems` says what
    else contradicts the tables' own bookkeeping. `head` is the newest hash of the chain, which ends before `proven`.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    rows: int = Field(description="rows in the models' tables")
    messages: int
    rejected: int
    gaps: tuple[Gap, ...]
    lost: tuple[Lost, ...]
    repeats: int
    problems: tuple[str, ...]
    complete: bool
    proven: int
    head: str | None
    hours: tuple[HourReport, ...]


class Completeness(Record):
    """The whole log, or what was asked of it; `complete` if every partition is and no table's rows are too many or few.
    That is said in `problems`, of whole tables: of those that may have rows of the topic asked for, whatever partition
    and hours. `producers` and `retired` are told by a report on all of the log alone; messages of producers that are
    missing may be on their way. Spans and counts are those of what was logged, also where rows were retired since.
    """

    complete: bool
    partitions: tuple[PartitionReport, ...]
    producers: tuple[ProducerReport, ...]
    problems: tuple[str, ...]
    retired: tuple[RetiredReport, ...] = ()


class Fault(Record):
    """What does not fit, and where: topic partition, hour, and offsets, both included; None where it is nowhere."""

    topic: str | None
    partition: int | None
    hour: datetime | None
    first: int | None
    last: int | None
    what: str

    @classmethod
    def nowhere(cls, what: str) -> Self:
        """One of no topic partition."""
        return cls(topic=None, partition=None, hour=None, first=None, last=None, what=what)


class Wanted(NamedTuple):
    """Which part of the log a report is on: hours with start <= hour < end."""

    topic: str | None = None
    partition: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    def has(self, topic: str, partition: int) -> bool:
        """Is this topic partition asked for?"""
        return self.topic in (None, topic) and self.partition in (None, partition)
