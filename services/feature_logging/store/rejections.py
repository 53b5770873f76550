"""What was rejected lately, so that a message that is read again meets the same fate."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.dataset as ds
from deltalake import DeltaTable

from services.feature_logging.domain.origin import Origin
from shared.batch import Meta
from shared.feature_log.delta_log import app_ids
from shared.feature_log.opened import Source, source_of
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import app_id, rejected_path

# Messages per partition; what is read again after a crash is what came since the last commit.
REACH = 100_000


@dataclass
class Rejections:
    """Reason by (topic, partition, offset), of each topic partition from the offset `since` on."""

    reasons: dict[tuple[str, int, int], str] = field(default_factory=dict)
    since: Mapping[Source, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, origin: Origin, reason: str) -> None:
        """This message, too."""
        self.reasons[origin.topic, origin.partition, origin.offset] = reason

    def reason(self, origin: Origin) -> str | None:
        """Why a message was rejected; None if it was not, or too long ago to be known."""
        return self.reasons.get((origin.topic, origin.partition, origin.offset))

    def knows(self, origin: Origin) -> bool:
        """Is it known whether a message was rejected?"""
        return origin.offset >= self.since[origin.topic, origin.partition]


def recent_rejections(path: Path, table: DeltaTable, reach: int = REACH) -> Rejections:
    """Those of the table `_rejected` in the last `reach` offsets of each partition that it tells of."""
    ends = {
        source: table.transaction_version(app_id(*source)) or 0 for app in app_ids(path) if (source := source_of(app))
    }
    since = defaultdict(int, {source: max(0, end - reach) for source, end in ends.items()})
    found: dict[tuple[str, int, int], str] = {}
    for (topic, partition), first in since.items():
        mine = (ds.field("topic") == topic) & (ds.field("partition") == partition) & (ds.field("offset") >= first)
        for row in dataset(table).to_table(columns=["offset", "reason"], filter=mine).to_pylist():
            found[topic, partition, row["offset"]] = row["reason"]
    return Rejections(found, since)


def told_before(tables: Path, meta: Meta) -> bool:
    """Was a message rejected that its producer had sent under this number?"""
    table = open_table(rejected_path(tables))
    mine = (ds.field("producer") == meta.producer) & (ds.field("sequence") == meta.sequence)
    return table is not None and dataset(table).count_rows(filter=mine) > 0
