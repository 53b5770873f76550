"""What was rejected lately, so that a message that is read again meets the same fate."""

from pathlib import Path

import pyarrow.dataset as ds
from deltalake import DeltaTable

from shared.batch import Meta
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import rejected_path

# Messages per partition; what is read again after a crash is what came since the last commit.
REACH = 100_000

Rejections = dict[tuple[str, int, int], str]


def recent_rejections(table: DeltaTable, reach: int = REACH) -> Rejections:
    """Reason by (topic, partition, offset) of the table `_rejected`, for the last `reach` offsets of each partition."""
    rows = dataset(table).to_table(columns=["topic", "partition", "offset", "reason"])
    found: Rejections = {}
    for last in rows.group_by(["topic", "partition"]).aggregate([("offset", "max")]).to_pylist():
        here = (ds.field("topic") == last["topic"]) & (ds.field("partition") == last["partition"])
        for row in rows.filter(here & (ds.field("offset") > last["offset_max"] - reach)).to_pylist():
            found[row["topic"], row["partition"], row["offset"]] = row["reason"]
    return found


def told_before(tables: Path, meta: Meta) -> bool:
    """Was a message rejected that its producer had sent under this number?"""
    table = open_table(rejected_path(tables))
    mine = (ds.field("producer") == meta.producer) & (ds.field("sequence") == meta.sequence)
    return table is not None and dataset(table).count_rows(filter=mine) > 0
