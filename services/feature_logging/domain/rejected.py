"""A message that could not be read, as a row of the table `_rejected`."""

import pyarrow as pa

from services.feature_logging.domain.origin import Origin
from shared.batch import PredictionBatch
from shared.feature_log.schema import REJECTED


def rejected_row(origin: Origin, reason: str, batch: PredictionBatch | None = None) -> pa.Table:
    """One row that says which message and why; `batch` is what could be read of it nevertheless."""
    row = {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset}
    row |= {"reason": reason, "log_time": origin.log_time}
    if batch is not None:
        row |= {name: getattr(batch.meta, name) for name in ("producer", "sequence", "rows_so_far")}
        row |= {"rows": len(batch)}
    return pa.Table.from_pylist([row], schema=REJECTED)
