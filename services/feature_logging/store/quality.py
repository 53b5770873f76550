"""Counts per hour of what the gate flagged, from the columns `event_time` and `flags` of the days asked for."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray
from pydantic import Field

from services.feature_logging.store.counted import Counted
from shared.errors import InvalidInput
from shared.events import Record
from shared.events.base import UtcTime
from shared.feature_log.reading import NoSuchModel, dataset, open_table
from shared.feature_log.schema import table_path

MOST = timedelta(days=31)
_MICROSECONDS = 3_600_000_000

# The sums of one data file: rows, flagged rows, and rows with each flag, by hour since 1970.
Counts = tuple[Counter[int], Counter[int], Counter[tuple[int, str]]]


class Flagged(Record):
    """Rows of an hour in which a feature has a flag of this kind."""

    feature: str
    kind: str
    rows: int


class HourOfRows(Record):
    """The rows of all roles, repeats included, with `hour` <= event time < an hour later; hours without any are left
    out. A row with several flags is one of `flagged`, and is counted under each of them.
    """

    hour: UtcTime
    rows: int
    flagged: int
    flags: tuple[Flagged, ...] = Field(description="by feature and kind")


class Quality:
    """Counts the rows of the log's tables."""

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._counted = Counted(_counted)

    def hours(self, model: str, start: datetime, end: datetime) -> list[HourOfRows]:
        """The hours of a model's rows from `start` to before `end`, whole hours in UTC, in order.

        Raises:
            InvalidInput: a time is no whole hour, or the range is empty or over 31 days.
            NoSuchModel: there are no predictions of it.
        """
        _check("from", start)
        _check("to", end)
        if not timedelta(0) < end - start <= MOST:
            raise InvalidInput("to", f"must be after `from`, and at most {MOST.days} days after it")
        table = open_table(table_path(self._tables, model, "predictions"))
        if table is None:
            raise NoSuchModel(model, "predictions")
        day = ds.field("event_day")
        days = (day >= pa.scalar(start.date())) & (day <= pa.scalar(end.date()))
        first, last = (int(time.timestamp()) // 3_600 for time in (start, end))
        return _told(list(self._counted.of(dataset(table).get_fragments(days))), range(first, last))


def _check(name: str, time: datetime) -> None:
    if time.tzinfo is None or time.timestamp() % 3_600:
        raise InvalidInput(name, "must be a whole hour with its time zone, such as 2026-03-01T00:00:00Z")


def _counted(file: ds.Fragment) -> Counts:
    rows, flagged, by_flag = Counter[int](), Counter[int](), Counter[tuple[int, str]]()
    for batch in file.to_batches(columns=["event_time", "flags"]):
        hours = batch.column("event_time").cast(pa.int64()).to_numpy() // _MICROSECONDS
        rows.update(_times_each(hours))
        flags = batch.column("flags")
        if flags.null_count < len(flags):
            there = hours[flags.is_valid().to_numpy(zero_copy_only=False)]
            flagged.update(_times_each(there))
            by_flag.update(_flags_each(there, flags.drop_null()))
    return rows, flagged, by_flag


def _times_each(hours: NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(hours, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _flags_each(hours: NDArray[np.int64], flags: pa.ListArray) -> dict[tuple[int, str], int]:
    each = np.repeat(hours, flags.value_lengths().to_numpy())
    said = pa.table({"hour": each, "flag": flags.flatten()}).group_by(["hour", "flag"]).aggregate([([], "count_all")])
    return {(row["hour"], row["flag"]): row["count_all"] for row in said.to_pylist()}


def _told(files: list[Counts], wanted: range) -> list[HourOfRows]:
    rows, flagged, by_flag = Counter[int](), Counter[int](), dict[int, Counter[str]]()
    for counts in files:
        rows.update(counts[0])
        flagged.update(counts[1])
        for (hour, flag), count in counts[2].items():
            by_flag.setdefault(hour, Counter())[flag] += count
    return [
        HourOfRows(
            hour=datetime.fromtimestamp(hour * 3_600, UTC),
            rows=rows[hour],
            flagged=flagged[hour],
            flags=tuple(_each(by_flag.get(hour, Counter()))),
        )
        for hour in sorted(rows)
        if hour in wanted
    ]


def _each(flags: Counter[str]) -> Iterator[Flagged]:
    for flag in sorted(flags):
        feature, kind = flag.split(":")
        yield Flagged(feature=feature, kind=kind, rows=flags[flag])
