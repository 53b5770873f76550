"""Opening the log's tables for reading."""

from pathlib import Path

import pyarrow.dataset as ds
from deltalake import DeltaTable


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """The Delta table at `path`, newest or at `version`; None where there is none yet."""
    return DeltaTable(path, version=version) if DeltaTable.is_deltatable(str(path)) else None


def dataset(table: DeltaTable) -> ds.Dataset:
    """The live files of a table as a pyarrow dataset (files are skipped by partition and statistics)."""
    return table.to_pyarrow_dataset()
