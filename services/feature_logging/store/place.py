"""Where a table lies; there it is opened, or made."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from services.feature_logging.store.sync import make_folder, sync
from shared.feature_log.reading import is_table, read_table
from shared.feature_log.schema import PARTITION, indexed


@dataclass(frozen=True)
class Place:
    """Where a table lies, and its schema when it is new."""

    path: Path
    schema: pa.Schema

    @classmethod
    def of(cls, path: Path, table: DeltaTable) -> "Place":
        """That of a table which is there."""
        return cls(path, pa.schema(table.schema()))

    @property
    def partition_by(self) -> list[str]:
        """The partition columns."""
        return [PARTITION] if PARTITION in self.schema.names else []

    @property
    def configuration(self) -> dict[str, str]:
        """The table's properties: logs are kept, and which columns files have statistics of."""
        names = [name for name in indexed(self.path) if name in self.schema.names]
        return {"delta.enableExpiredLogCleanup": "false", "delta.dataSkippingStatsColumns": ",".join(names)}

    def exists(self) -> bool:
        """Is the table there?"""
        return is_table(self.path)

    def open(self) -> DeltaTable:
        """The table at its newest version, which is made if there is none. Raises OSError, DeltaError."""
        if not self.exists():
            make_folder(self.path)
            try:
                self._make()
            except DeltaError:
                if not self.exists():  # else another worker was first
                    raise
            sync(self.path)
        return read_table(self.path)

    def _make(self) -> None:
        DeltaTable.create(str(self.path), self.schema, partition_by=self.partition_by, configuration=self.configuration)
