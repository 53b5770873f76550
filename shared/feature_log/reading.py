"""Opening the log's tables for reading."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from shared.definition import NAME
from shared.errors import InvalidInput


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """The Delta table at `path`, newest or at `version`; None where there is none yet."""
    return DeltaTable(path, version=version) if DeltaTable.is_deltatable(str(path)) else None


def check_model(tables: Path, model: str) -> None:
    """Raise InvalidInput if the log has no tables of a model, or it is no model's name."""
    if not (re.match(NAME, model) and (tables / model).is_dir()):
        raise InvalidInput("model", f"the log has no tables of {model}")


def dataset(table: DeltaTable) -> ds.Dataset:
    """The live files of a table as a pyarrow dataset (files are skipped by partition and statistics)."""
    return table.to_pyarrow_dataset()


def live_files(table: DeltaTable) -> pa.Table:
    """The live files with their statistics, as get_add_actions has them; no columns where there are none."""
    return pa.table(table.get_add_actions(flatten=True))


def live_paths(table: DeltaTable) -> list[str]:
    """The live files by their paths in the table's folder."""
    files = live_files(table)
    paths: list[str] = files.column("path").to_pylist() if len(files) else []
    return paths
