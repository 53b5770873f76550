"""A scan beside that of plain Parquet files, and the join of labels."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from benchmarks.drift_stream.data import MODEL, START
from benchmarks.feature_log.data import COMMIT_ROWS, DAY, ids
from benchmarks.feature_log.growth import ROWS_A_DAY
from benchmarks.feature_log.throughput import SIZE
from benchmarks.rows import Row, at_least
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.query import View, run_query
from services.feature_logging.store.table import LogTable
from shared.feature_log.reading import dataset
from shared.feature_log.schema import LABELS, table_path

JOIN = "SELECT count(*) AS rows, count(label) AS labels, avg(scores[1] - label) AS error FROM joined"


def scan(tables: Path, rounds: int) -> dict[str, float]:
    """Rows per second of CPU of the first day of the predictions, all columns, and of the same rows as plain
    Parquet files of as many rows as a commit.
    """
    table = DeltaTable(table_path(tables, MODEL, "predictions"))
    day = ds.field("event_day") == pa.scalar(START.astype("datetime64[D]").item())
    rows = dataset(table).to_table(filter=day)
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(rows), COMMIT_ROWS):
            pq.write_table(rows.slice(first, COMMIT_ROWS), Path(folder) / f"{first:08}.parquet")
        pairs = [
            (_seconds(lambda: dataset(table).to_table(filter=day)), _seconds(lambda: ds.dataset(folder).to_table()))
            for _ in range(rounds)
        ]
    ours, plain = (float(np.median(column)) for column in zip(*pairs, strict=True))
    ratio = float(np.median([theirs / own for own, theirs in pairs]))
    told = {"scan_rows": len(rows), "scan_rows_per_s": len(rows) / ours, "scan_parquet_rows_per_s": len(rows) / plain}
    return told | {"scan_over_parquet": ratio}


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def join(tables: Path, rows: int) -> dict[str, float]:
    """A label for each of the rows that `growth` wrote, each an hour later, and the view that joins them."""
    _write_labels(tables, rows)
    began, cpu = time.perf_counter(), time.process_time()
    (answer,) = run_query(tables, JOIN, View(MODEL, None)).read_all().to_pylist()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if answer["labels"] != rows:
        raise RuntimeError(f"{answer} instead of {rows} labels")
    return {"join_rows": rows, "join_seconds": took, "join_rows_per_s": rows / cpu}


def _write_labels(tables: Path, rows: int) -> None:
    table = LogTable(Place(table_path(tables, MODEL, "labels"), LABELS))
    for first in range(0, rows, ROWS_A_DAY):
        pending = Pending(LABELS)
        for start in range(first, min(first + ROWS_A_DAY, rows), SIZE * 100):
            pending.add(_labels(start, min(SIZE * 100, rows - start)), "labels", table.version_of("labels"), start + 1)
        table.commit(pending)


def _labels(first: int, count: int) -> pa.Table:
    numbers = np.arange(first, first + count)
    time = START + (numbers * (DAY // ROWS_A_DAY) + DAY // 24).astype("timedelta64[us]")
    moment = pa.array(time, pa.timestamp("us")).cast(LABELS.field("event_time").type)
    keys = [key for number in range(first // SIZE, -(-(first + count) // SIZE)) for key in ids(number, SIZE)]
    columns = {
        "request_id": pa.array(keys[:count], pa.binary()),
        "row": pa.array(np.zeros(count, np.int32)),
        "kind": pa.repeat("label", count),
        "value": pa.array((numbers % 2).astype(np.float64)),
        "event_time": moment,
        "event_day": pa.array(time.astype("datetime64[D]")),
        "prediction_time": pa.nulls(count, LABELS.field("prediction_time").type),
        "log_time": moment,
        "source_partition": pa.array(np.zeros(count, np.int32)),
        "source_offset": pa.array(numbers // 1_000),
        "source_row": pa.array((numbers % 1_000).astype(np.int32)),
    }
    return pa.table([columns[field.name] for field in LABELS], schema=LABELS)


def judged(found: dict[str, float]) -> Iterator[Row]:
    """The goals."""
    yield at_least(f"scan of {int(found['scan_rows']):,} rows beside plain Parquet", found["scan_over_parquet"], 0.6)
    yield at_least(f"label join of {int(found['join_rows']):,} rows: rows/s of CPU", found["join_rows_per_s"], 200_000)
