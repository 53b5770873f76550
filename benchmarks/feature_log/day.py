"""A day of commits, one after the other, cleaned as often as a day's are: how long each takes, and the live files."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from deltalake import DeltaTable

from benchmarks.drift_stream.data import MODEL
from benchmarks.feature_log.data import COMPACT_COMMITS, messages, new_log
from benchmarks.rows import Row, at_most
from services.feature_logging.settings import Settings
from services.feature_logging.store.upkeep.vacuum import clean
from shared.feature_log.delta_log import tables_below
from shared.feature_log.schema import table_path

COMMITS = 17_280  # one every five seconds
HOUR = COMMITS // 24
SIZE = 1_000  # rows of each


class Day(NamedTuple):
    """`seconds` of each commit, with its fsyncs; live files at the `end`, and the `most` that there were."""

    seconds: list[float]
    end: int
    most: int


async def measure(commits: int) -> Day:
    """The first so many commits of the day, which come as soon as the one before is done. Each hour's worth of them
    the tables are cleaned beside them, of what is older than as many hours' worth as the service keeps.
    """
    seconds, most, files, hours, kept = [], 0, 0, [time.monotonic()], int(Settings().keep_hours)
    with tempfile.TemporaryDirectory() as folder:
        log, intake = new_log(Path(folder))
        cleanings: list[asyncio.Task[None]] = []
        for number in range(commits):
            (message,) = messages([number], SIZE, rows_a_day=COMMITS * SIZE)
            await intake.handle(message)
            began = time.perf_counter()
            await intake.flush()
            seconds.append(time.perf_counter() - began)
            if number % HOUR == HOUR - 1:
                hours.append(time.monotonic())
                age = hours[-1] - hours[-kept - 1] if len(hours) > kept else hours[-1] - hours[0] + 60
                cleanings.append(asyncio.create_task(asyncio.to_thread(_clean, Path(folder), age)))
            if number % COMPACT_COMMITS in (0, COMPACT_COMMITS - 1):
                files = live_files(Path(folder))
                most = max(most, files)
        await asyncio.gather(*cleanings, log.at_rest())
        return Day(seconds, live_files(Path(folder)), most)


def _clean(tables: Path, age: float) -> None:
    for table in tables_below(tables):
        clean(table, (), age)


def live_files(tables: Path) -> int:
    """Of the predictions."""
    return len(DeltaTable(table_path(tables, MODEL, "predictions")).file_uris())


def figures(day: Day) -> dict[str, float]:
    """By name."""
    p50, p99 = (float(np.percentile(day.seconds, share)) * 1000 for share in (50, 99))
    told = {"commits": len(day.seconds), "commit_p50_ms": p50, "commit_p99_ms": p99}
    return told | {"commit_max_ms": max(day.seconds) * 1000, "live_files": day.end, "live_files_highest": day.most}


def judged(found: dict[str, float]) -> list[Row]:
    """The goals."""
    commits = f"{int(found['commits']):,} commits"
    return [
        at_most(f"{commits} of {SIZE:,} rows: p99 in ms", found["commit_p99_ms"], 250),
        at_most(f"after {commits}: live files", found["live_files"], 200),
        at_most(f"during {commits}: most live files", found["live_files_highest"], 200),
    ]
