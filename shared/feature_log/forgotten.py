"""What was forgotten: the table `_forgotten`, and the marks of rows that were.

A row that came from Kafka stays where it was, so that the log stays complete, but of what it said nothing is left:
`role` is FORGOTTEN in predictions and outcomes, `request_id` null in labels and business.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from shared.events import SnapshotPin
from shared.feature_log.delta_log import DeltaLog
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import TIME

FORGOTTEN = "forgotten"
# `id` is one order's; `entity` is a keyed hash. Its first row says of whom and when, and of which model (null: all);
# then comes one for each table with how many rows were concealed or removed, and by which version none was left.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("entity", pa.string()),
        ("model", pa.string()),
        ("table", pa.string()),
        ("rows", pa.int64()),
        ("version", pa.int64()),
        ("time", TIME),
        ("by", pa.string()),
    ]
)

# Which (request_id, row) were forgotten, by keyed hashes. `batch` names those that were found together; a row of it
# without a hash says that what the tables held of them by then is concealed.
IDS = pa.schema([("batch", pa.string()), ("model", pa.string()), ("hash", pa.binary())])


def forgotten_path(tables: Path) -> Path:
    """Where the table lies."""
    return tables / "_forgotten"


def ids_path(tables: Path) -> Path:
    """Where the table of IDS lies."""
    return tables / "_forgotten_ids"


def last_change(tables: Path) -> int:
    """A number that is another one after each order and each record of what was done; 0 where there is none."""
    commits = DeltaLog(forgotten_path(tables)).commits
    return commits[-1].version + 1 if commits else 0


class Order(NamedTuple):
    """To forget an entity (its hash), of one model or all (None), with all that was logged up to a time."""

    id: str
    entity: str
    model: str | None
    time: datetime
    by: str

    def concerns(self, model: str) -> bool:
        """Is it about this model's tables, too?"""
        return self.model in (None, model)


class Orders:
    """All orders, read again when there are more."""

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._seen = 0
        self._known: tuple[Order, ...] = ()

    def __call__(self) -> Sequence[Order]:
        """Those given up to now."""
        seen = last_change(self._tables)
        if seen != self._seen:
            self._known, self._seen = tuple(self._read()), seen
        return self._known

    def _read(self) -> Iterator[Order]:
        table = open_table(forgotten_path(self._tables))
        if table is not None:
            rows = dataset(table).to_table(columns=list(Order._fields), filter=ds.field("table").is_null())
            yield from (Order(**row) for row in rows.to_pylist())


def forgotten_since(tables: Path, model: str, pin: SnapshotPin) -> str | None:
    """What was forgotten of a model's tables after a snapshot of them was pinned, in words; None if nothing was."""
    table = open_table(forgotten_path(tables))
    if table is None:
        return None
    rows = dataset(table).to_table(filter=(ds.field("model") == model) & (ds.field("rows") > 0)).to_pylist()
    said: dict[str, str] = {}
    for row in rows:
        pinned = getattr(pin, f"{row['table']}_version", None)
        if pinned is not None and row["version"] > pinned:
            said[row["id"]] = f"{row['time']:%Y-%m-%d} by {row['by']} (record {row['id']} of _forgotten)"
    return "an entity's data was forgotten on " + ", and on ".join(said.values()) if said else None
