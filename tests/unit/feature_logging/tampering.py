"""Changes to tables that nobody may make: each takes the folder of the tables."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def change(table: str, where: str, **values: str) -> Callable[[Path], object]:
    return lambda tables: DeltaTable(tables / table).update(updates=values, predicate=where)


def remove(table: str, where: str) -> Callable[[Path], object]:
    return lambda tables: DeltaTable(tables / table).delete(where)


def add(offset: int, first_row: int = 0) -> Callable[[Path], object]:
    def write(tables: Path) -> None:
        rows = DeltaTable(tables / "flights/predictions").to_pyarrow_table().slice(0, 1)
        for name, value in (("source_offset", pa.array([offset])), ("source_row", pa.array([first_row], pa.int32()))):
            rows = rows.set_column(rows.column_names.index(name), name, value)
        write_deltalake(tables / "flights/predictions", rows, mode="append")

    return write
