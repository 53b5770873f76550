"""Opening the log's tables for reading."""

import re
from collections.abc import Callable, Collection
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from shared.definition import NAME
from shared.errors import InvalidInput
from shared.feature_log.schema import PARTITION
from shared.storage import folders_in, is_folder, local


class NoSuchModel(InvalidInput):
    """The log has nothing of what is asked for of a model."""

    def __init__(self, model: str, what: str = "tables") -> None:
        super().__init__("model", f"the log has no {what} of {model}")


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """The Delta table at `path`, newest or at `version`; None where there is none yet."""
    if local(path) and not is_table(path):
        return None
    try:
        return read_table(path, version)
    except TableNotFoundError:
        return None


def is_table(path: Path) -> bool:
    """Is there a Delta table at `path`?"""
    # Of a store `is_deltatable` is not asked: it holds up all threads while it waits.
    return bool(DeltaTable.is_deltatable(str(path))) if local(path) else open_table(path) is not None


def read_table(path: Path, version: int | None = None) -> DeltaTable:
    """As `open_table`, where there must be one; raises DeltaError."""
    return DeltaTable(str(path), version=version)


def models_in(tables: Path) -> list[str]:
    """The models that the log has tables of, by name."""
    return [folder.name for folder in folders_in(tables) if re.match(NAME, folder.name)]


def check_model(tables: Path, model: str) -> None:
    """Raise NoSuchModel if the log has no tables of a model, or it is no model's name."""
    if not (re.match(NAME, model) and is_folder(tables / model)):
        raise NoSuchModel(model)


def dataset(table: DeltaTable, without: Collection[str] = ()) -> ds.Dataset:
    """The live files of a table as a pyarrow dataset (files are skipped by partition and statistics), but for those
    `without`, which are given by their paths in its folder.
    """
    whole = table.to_pyarrow_dataset()
    return _of_files(whole, lambda path: path not in without) if without else whole


def only(table: DeltaTable, paths: Collection[str]) -> ds.Dataset:
    """Some of the live files, as `dataset` has all of them."""
    return _of_files(table.to_pyarrow_dataset(), lambda path: path in paths)


def _of_files(whole: ds.Dataset, wanted: Callable[[str], bool]) -> ds.Dataset:
    there = [each for each in whole.get_fragments() if wanted(each.path)]
    return ds.FileSystemDataset(there, whole.schema, whole.format, whole.filesystem)


def live_files(table: DeltaTable) -> pa.Table:
    """The live files with their statistics, as get_add_actions has them; no columns where there are none."""
    return pa.table(table.get_add_actions(flatten=True))


def live_paths(table: DeltaTable) -> list[str]:
    """The live files by their paths in the table's folder."""
    files = live_files(table)
    paths: list[str] = files.column("path").to_pylist() if len(files) else []
    return paths


def newest_day(table: DeltaTable) -> date | None:
    """The last day that rows are of; None where there are none. Rows of a day that was far ahead when they were logged
    do not count, if there are others.
    """
    days = [(file[f"partition.{PARTITION}"], file["max.log_time"].date()) for file in live_files(table).to_pylist()]
    sound = [day for day, logged in days if day <= logged + timedelta(days=1)]
    return max(sound or [day for day, _ in days], default=None)
