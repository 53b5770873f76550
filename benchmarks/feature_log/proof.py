"""What the proof costs: hashing beside plain Parquet writing, a report from the chain, and recomputing all of it."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feature_log.data import COMMIT_ROWS, PARTITIONS, arrow_rows
from benchmarks.feature_log.throughput import SIZE, cpu
from benchmarks.rows import Row, at_least, at_most
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.links import units
from shared.feature_log.proof.messages import held
from shared.feature_log.proof.restated import Restated
from shared.feature_log.proof.verify import verify


def hashing(rounds: int) -> dict[str, float]:
    """CPU of the digests of one commit's rows as a share of that of writing them as plain Parquet."""
    rows = arrow_rows(range(COMMIT_ROWS // SIZE), SIZE)
    shares = [
        cpu(lambda _: _hash(rows)) / cpu(lambda folder: pq.write_table(rows, folder / "0")) for _ in range(rounds)
    ]
    return {"hash_over_parquet": statistics.median(shares)}


def _hash(rows: pa.Table) -> None:
    tables = [held("flights/predictions", rows)]
    for partition in range(PARTITIONS):
        units(partition, tables)


def reading(tables: Path) -> dict[str, float]:
    """Seconds for a report on a log, and rows per second that are recomputed; both of CPU."""
    began = time.process_time()
    log = open_log(tables)
    report = completeness(log)
    reported = time.process_time()
    found = verify(log, report, [], Restated())
    verified = time.process_time()
    rows = sum(part.rows for part in report.partitions)
    return {
        "links": float(found.links),
        "report_cpu_s": reported - began,
        "verify_rows_per_s": rows / (verified - reported),
        "verified": float(found.complete),
    }


def judged(found: dict[str, float]) -> Iterator[Row]:
    """The goals."""
    yield at_most("hashing a commit's rows: CPU beside writing them as plain Parquet", found["hash_over_parquet"], 0.25)
    yield at_least("the log is proved complete (1: it is)", found["verified"], 1)
