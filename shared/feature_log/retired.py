"""What was retired: the table `_retired`, with a record for each table and day whose rows were to go.

It is written before the rows go. The commit that takes them out moves the table's app id APP_ID to the record's
`number`, so that a table itself says which records were carried out: its newest, the one that was its newest
`before` that, and so on. All others were begun only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from shared.events import Record
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import TIME, TableKind, table_path

APP_ID = "driftline/retention"
# `counted`: how many of the `rows` the hash chain had counted in until then. `content` is a hash of the rows that
# depends on neither their order nor their files. `keep_days` is the setting by which they went.
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("before", pa.int64()),
        ("table", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("counted", pa.int64()),
        ("content", pa.string()),
        ("time", TIME),
        ("keep_days", pa.int32()),
    ]
)


class RetiredDay(NamedTuple):
    """A row of SCHEMA; `_restated` names it as the reason by `reason(number)`."""

    number: int
    before: int
    table: str
    day: date
    rows: int
    counted: int
    content: str
    time: datetime
    keep_days: int


class RetiredReport(Record):
    """Rows of whole days that a table (`model/kind`) holds no more, since the setting `keep_days` said so."""

    table: str
    rows: int
    days: int
    first_day: date
    last_day: date
    last_time: datetime
    keep_days: int


def reason(number: int) -> str:
    """How a record is named where it is the reason."""
    return f"{number} of _retired"


def retired_path(tables: Path) -> Path:
    """Where the table lies."""
    return tables / "_retired"


def retired_days(tables: Path, opened: Mapping[str, DeltaTable]) -> dict[str, tuple[RetiredDay, ...]]:
    """What was retired of tables, given by name, at the versions that are open. Those that nothing was retired of are
    left out.
    """
    newest = {name: table.transaction_version(APP_ID) or 0 for name, table in opened.items()}
    records = open_table(retired_path(tables)) if any(newest.values()) else None
    if records is None:
        return {}
    wanted = ds.field("table").isin([name for name, number in newest.items() if number])
    rows = [RetiredDay(**row) for row in dataset(records).to_table(filter=wanted).select(SCHEMA.names).to_pylist()]
    found = {name: tuple(_carried_out(rows, name, number)) for name, number in newest.items()}
    return {name: days for name, days in found.items() if days}


def _carried_out(rows: Sequence[RetiredDay], table: str, newest: int) -> Iterator[RetiredDay]:
    mine: dict[int, list[RetiredDay]] = {}
    for row in rows:
        if row.table == table:
            mine.setdefault(row.number, []).append(row)
    while newest in mine:
        yield from (found := mine.pop(newest))
        newest = found[0].before


def reports(retired: Mapping[str, Iterable[RetiredDay]]) -> Iterator[RetiredReport]:
    """One for each table."""
    for table, each in sorted(retired.items()):
        rows = sorted(each, key=lambda row: row.time)
        days = {row.day for row in rows}
        yield RetiredReport(
            table=table,
            rows=sum(row.rows for row in rows),
            days=len(days),
            first_day=min(days),
            last_day=max(days),
            last_time=rows[-1].time,
            keep_days=rows[-1].keep_days,
        )


def retired_predictions(tables: Path, model: str) -> RetiredReport | None:
    """What was retired of a model's predictions; None if nothing was."""
    table = open_table(table_path(tables, model, "predictions"))
    opened = {} if table is None else {f"{model}/predictions": table}
    return next(reports(retired_days(tables, opened)), None)


def retired_between(
    tables: Path, model: str, opened: Iterable[tuple[TableKind, DeltaTable]], first: date, last: date
) -> str | None:
    """In words, which days of a model's tables from `first` to `last` were retired; None if none was."""
    days = retired_days(tables, {f"{model}/{kind}": table for kind, table in opened})
    found = [row for each in days.values() for row in each if first <= row.day <= last]
    if not found:
        return None
    ends, setting = (min(row.day for row in found), max(row.day for row in found)), found[-1].keep_days
    return f"rows of {ends[0]} to {ends[1]} were retired (DRIFTLINE_KEEP_DAYS={setting})"
