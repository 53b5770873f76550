"""A small feature log, written with plain deltalake."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from deltalake import write_deltalake

from shared.feature_log.schema import HISTORY, LABELS, PREDICTIONS, TableKind, indexed, table_path

MODEL = "flights"
FEATURES = [pa.field("wind", pa.float32()), pa.field("origin", pa.string())]
SCHEMAS = {
    "predictions": pa.schema([*PREDICTIONS, *FEATURES]),
    "history": pa.schema([*HISTORY, *FEATURES]),
    "labels": LABELS,
    "business": LABELS,
}
START = datetime(2013, 3, 1, tzinfo=UTC)


def key(number: int) -> bytes:
    """The request_id of a numbered request."""
    return number.to_bytes(16, "big")


def hours(count: float) -> datetime:
    """A time so many hours after START."""
    return START + timedelta(hours=count)


class Log:
    """Appends rows; each call is one commit. Offsets count on by themselves."""

    def __init__(self, tables: Path) -> None:
        self.tables = tables
        self._offset = 0
        self._held: dict[TableKind, list[dict[str, Any]]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended meanwhile is one commit for each table."""
        held: dict[TableKind, list[dict[str, Any]]] = {}
        self._held = held
        yield
        self._held = None
        for kind, rows in held.items():
            self.append(kind, *rows)

    def append(self, kind: TableKind, *rows: dict[str, Any]) -> None:
        """Rows of one table; what a row leaves out is null."""
        if self._held is not None:
            self._held.setdefault(kind, []).extend(rows)
            return
        for row in rows:
            row["event_day"] = row["event_time"].date()
            row.setdefault("log_time", START)
        table = pa.Table.from_pylist(list(rows), schema=SCHEMAS[kind])
        path = table_path(self.tables, MODEL, kind)
        names = ",".join(name for name in indexed(path) if name in table.column_names)
        how = {"delta.dataSkippingStatsColumns": names}
        write_deltalake(path, table, mode="append", partition_by="event_day", configuration=how)

    def predict(self, number: int, time: datetime, **other: Any) -> None:
        """One champion row of one request."""
        row = {"request_id": key(number), "row": 0, "event_time": time, "repeat": False, "role": "champion"}
        row |= {"scores": [0.25], "bundle_digest": "a" * 64, "wind": float(number), "origin": "EWR"}
        self.append("predictions", row | self._source() | other)

    def label(
        self, number: int, time: datetime, value: float, kind: Literal["labels", "business"] = "labels", **other: Any
    ) -> None:
        """One label of one request."""
        row = {"request_id": key(number), "row": 0, "value": value, "event_time": time}
        self.append(kind, row | self._source() | other)

    def _source(self) -> dict[str, Any]:
        self._offset += 1
        return {"log_time": START, "source_partition": 0, "source_offset": self._offset, "source_row": 0}
