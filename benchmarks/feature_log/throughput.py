"""Rows per second of CPU into Delta, beside plain pyarrow Parquet writing of the same rows."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feature_log.data import COMMIT_ROWS, arrow_rows, messages, new_log
from benchmarks.rows import Row, at_least
from services.feature_logging.store.files import write_parquet
from services.feature_logging.store.memory import use_system_allocator
from shared.feature_log.schema import INDEXED
from shared.kafka.message import InMessage

SIZE = 256  # rows of a message
LARGE = 2_048


class Speeds(NamedTuple):
    """Rows per second of CPU: from messages to commits, of plain Parquet, and of Parquet with the log's own options."""

    ours: float
    parquet: float
    same_options: float


def measure(rounds: int, rows: int, size: int) -> list[Speeds]:
    """Each round on an empty folder; the three take turns."""
    count = rows // size
    stream, table = messages(range(count), size), arrow_rows(range(count), size)
    return [_round(stream, table) for _ in range(rounds)]


def _round(stream: Sequence[InMessage], table: pa.Table) -> Speeds:
    def ours(folder: Path) -> None:
        default = pa.default_memory_pool()
        use_system_allocator()  # as the service does
        asyncio.run(log_all(folder, stream))
        pa.set_memory_pool(default)

    def plain(folder: Path) -> None:
        for number, part in enumerate(_parts(table)):
            pq.write_table(part, folder / f"{number}.parquet")

    def same(folder: Path) -> None:
        for number, part in enumerate(_parts(table)):
            write_parquet([part], folder / f"{number}.parquet", INDEXED)

    return Speeds(*(len(table) / cpu(work) for work in (ours, plain, same)))


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(first, COMMIT_ROWS) for first in range(0, len(table), COMMIT_ROWS))


async def log_all(tables: Path, stream: Sequence[InMessage]) -> None:
    """All the way from the messages' bytes to commits that are on disk."""
    _, intake = new_log(tables)
    for message in stream:
        await intake.handle(message)
    await intake.flush()


def cpu(work: Callable[[Path], object]) -> float:
    """Seconds of CPU, of all threads, that it takes on an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        work(Path(folder))
        return time.process_time() - began


def figures(small: Sequence[Speeds], large: Sequence[Speeds]) -> dict[str, float]:
    """Medians by name; `small` is of messages with SIZE rows, `large` of those with LARGE."""
    return {
        "rows_per_s": statistics.median(each.ours for each in small),
        "parquet_rows_per_s": statistics.median(each.parquet for each in small),
        "over_parquet": statistics.median(each.ours / each.parquet for each in small),
        "over_parquet_same_options": statistics.median(each.ours / each.same_options for each in small),
        "over_parquet_large_messages": statistics.median(each.ours / each.parquet for each in large),
    }


def judged(found: dict[str, float]) -> list[Row]:
    """The goal."""
    case = f"from messages of {SIZE} rows to Delta, on disk: rows/s of CPU beside plain Parquet"
    return [at_least(case, found["over_parquet"], 0.6)]
