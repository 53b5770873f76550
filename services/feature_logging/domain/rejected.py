"""A message that could not be read, as a row of the table `_rejected`."""

import pyarrow as pa

from services.feature_logging.domain.origin import Origin
from shared.feature_log.schema import REJECTED


def rejected_row(origin: Origin, reason: str) -> pa.Table:
    """One row that says which message and why."""
    row = {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset}
    return pa.Table.from_pylist([row | {"reason": reason, "log_time": origin.log_time}], schema=REJECTED)
