"""Changes to tables that nobody may make: each takes the folder of the tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
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


def lie(table: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Change the statistics of the newest data file in the table's log."""

    def write(tables: Path) -> None:
        def changed(action: dict[str, Any]) -> None:
            told = json.loads(action["stats"])
            change(told)
            action["stats"] = json.dumps(told)

        _change_newest_file(tables / table, changed)

    return write


def put_into_file(table: str, **values: object) -> Callable[[Path], object]:
    """Add its first row with other values to the newest data file, of which the log then says the new size."""

    def write(tables: Path) -> None:
        def changed(action: dict[str, Any]) -> None:
            path = tables / table / action["path"]
            rows = pq.ParquetFile(path).read()
            more = [rows.slice(0, 1).to_pylist()[0] | values]
            pq.write_table(pa.concat_tables([rows, pa.Table.from_pylist(more, schema=rows.schema)]), path)
            action["size"] = path.stat().st_size

        _change_newest_file(tables / table, changed)

    return write


def _change_newest_file(table: Path, change: Callable[[dict[str, Any]], object]) -> None:
    for entry in sorted((table / "_delta_log").glob("*.json"), reverse=True):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        if added := [action["add"] for action in actions if "add" in action]:
            change(added[0])
            entry.write_text("\n".join(map(json.dumps, actions)) + "\n")
            return
