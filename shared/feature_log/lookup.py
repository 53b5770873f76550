"""One prediction by its id, for operators and auditors; and who answered last."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from shared.errors import InvalidInput
from shared.feature_log.reading import dataset, newest_day, open_table
from shared.feature_log.schema import PARTITION, table_path


def find_prediction(tables: Path, model: str, request_id: bytes, row: int = 0) -> dict[str, Any]:
    """What the log holds of one answered row, by column name (features included, null is None, times are in UTC).

    `request_id` is the 16 bytes of `shared.batch.request_key`. Of several rows with this key it is the champion's
    first that is no repeat, else the first of all.

    Raises:
        InvalidInput: the log has no such row.
    """
    table = open_table(table_path(tables, model, "predictions"))
    found: list[dict[str, Any]] = []
    if table is not None:
        chosen = (ds.field("request_id") == request_id) & (ds.field("row") == row)
        found = dataset(table).to_table(filter=chosen).to_pylist()
    if not found:
        raise InvalidInput("request_id", f"{model} has no prediction {request_id.hex()} row {row} in its log")
    return min(found, key=_rank)


def _rank(row: dict[str, Any]) -> tuple[object, ...]:
    place = (row["source_partition"], row["source_offset"], row["source_row"])
    return (row["role"] != "champion", row["repeat"], row["event_time"], *place)


def newest_bundle(tables: Path, model: str) -> str | None:
    """Digest of the bundle that the champion answered with, in the row of the last day (see `newest_day`) that was
    logged last.
    """
    table = open_table(table_path(tables, model, "predictions"))
    if table is None:
        return None
    chosen = (ds.field(PARTITION) == pa.scalar(newest_day(table), pa.date32())) & (ds.field("role") == "champion")
    rows = dataset(table).to_table(columns=["bundle_digest", "log_time"], filter=chosen)
    newest = rows.sort_by([("log_time", "descending")]).column("bundle_digest").slice(0, 1).to_pylist()
    return newest[0] if newest else None
