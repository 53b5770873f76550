"""Where a row came from."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Origin:
    """A message's place in Kafka and the broker's LogAppendTime in ms since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def log_time(self) -> datetime:
        """When the broker appended the message, in UTC."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)


def source_columns(origin: Origin, count: int) -> dict[str, pa.Array]:
    """The columns that say where `count` rows of one message came from."""
    return {
        "log_time": pa.repeat(pa.scalar(origin.log_time, pa.timestamp("us", "UTC")), count),
        "source_partition": pa.array(np.full(count, origin.partition, np.int32)),
        "source_offset": pa.array(np.full(count, origin.offset, np.int64)),
        "source_row": pa.array(np.arange(count, dtype=np.int32)),
    }
