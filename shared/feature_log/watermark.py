"""How far the labels have come."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from shared.feature_log.reading import dataset, live_files, open_table
from shared.feature_log.schema import PARTITION, TIME, table_path
from shared.feature_log.selection import KEY


def label_watermark(tables: Path, model: str, since: datetime, needed: datetime) -> datetime | None:
    """The highest event time (UTC) of the model's labels; None while none has come from `needed` on.

    A label counts if its row was predicted at `since` or later, not after the label, and is in the log:
    else anyone could move the watermark with a label of an id that no one has heard of.

    Reads the labels from `needed` on and, newest first, the days of predictions that may hold their rows.
    """
    labels, predictions = (open_table(table_path(tables, model, kind)) for kind in ("labels", "predictions"))
    if labels is None or predictions is None:
        return None
    wanted = _labels(labels, needed)
    highest: datetime | None = None
    for day in _days(predictions, since.date()):
        if not len(wanted):
            break
        highest = _highest(wanted, _rows(predictions, day, since)) or highest
        if highest is not None:
            wanted = wanted.filter(pc.field("label_time") > pa.scalar(highest, TIME))
    return highest


def _labels(labels: DeltaTable, needed: datetime) -> pa.Table:
    day, time = ds.field(PARTITION), ds.field("event_time")
    chosen = (day >= pa.scalar(needed.date())) & (time >= pa.scalar(needed, TIME))
    table = dataset(labels).to_table(columns=[*KEY, "event_time"], filter=chosen)
    return table.rename_columns({"event_time": "label_time"})


def _days(predictions: DeltaTable, first: date) -> Iterator[date]:
    """The days of the table from `first` on, the newest first."""
    actions = live_files(predictions)
    if len(actions):
        days = actions.column(f"partition.{PARTITION}").unique().to_pylist()
        yield from (day for day in sorted(days, reverse=True) if day >= first)


def _rows(predictions: DeltaTable, day: date, since: datetime) -> pa.Table:
    chosen = (ds.field(PARTITION) == pa.scalar(day)) & (ds.field("event_time") >= pa.scalar(since, TIME))
    return dataset(predictions).to_table(columns=[*KEY, "event_time"], filter=chosen)


def _highest(labels: pa.Table, rows: pa.Table) -> datetime | None:
    """The highest time of the labels that belong to these rows and are not older."""
    known = labels.join(rows, keys=KEY, join_type="inner").filter(pc.field("label_time") >= pc.field("event_time"))
    return cast(datetime | None, pc.call_function("max", [known.column("label_time")]).as_py())
