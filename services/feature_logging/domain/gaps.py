"""Messages that Kafka no longer had when they were to be read, as a row of the table `_gaps`."""

from datetime import datetime

import pyarrow as pa

from shared.feature_log.schema import GAPS


def gap_row(topic: str, partition: int, offsets: range, found: datetime) -> pa.Table:
    """One row that says which offsets are gone and when that was found."""
    place = {"topic": topic, "partition": partition, "first": offsets.start, "last": offsets.stop - 1}
    return pa.Table.from_pylist([place | {"found": found}], schema=GAPS)
