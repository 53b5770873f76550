"""Where a row came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from shared.feature_log.schema import TIME


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


def source_columns(origins: Sequence[Origin], counts: Sequence[int]) -> dict[str, pa.Array]:
    """The columns that say where rows came from, `counts` of them from each of these messages."""
    milliseconds = np.array([origin.timestamp_ms for origin in origins], "datetime64[ms]")
    log_time = np.repeat(milliseconds.astype("datetime64[us]"), counts)
    return {
        "log_time": pa.array(log_time, pa.timestamp("us")).cast(TIME),
        "source_partition": pa.array(np.repeat(np.array([origin.partition for origin in origins], np.int32), counts)),
        "source_offset": pa.array(np.repeat(np.array([origin.offset for origin in origins], np.int64), counts)),
        "source_row": pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
    }
