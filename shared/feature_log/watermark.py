"""How far the labels have come."""

from datetime import datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import table_path


def label_watermark(tables: Path, model: str) -> datetime | None:
    """The highest event time (UTC) of the model's labels of kind `label` in the log; None while there are none.

    Reads one day: the latest that has such a label.
    """
    table = open_table(table_path(tables, model, "labels"))
    if table is None:
        return None
    labels = dataset(table)
    days = pa.table(table.get_add_actions(flatten=True)).column("partition.event_day").unique().to_pylist()
    for day in sorted(days, reverse=True):
        chosen = (ds.field("event_day") == pa.scalar(day)) & (ds.field("kind") == "label")
        times = labels.to_table(columns=["event_time"], filter=chosen).column("event_time")
        highest = pc.call_function("max", [times]).as_py()
        if highest is not None:
            return cast(datetime, highest)
    return None
