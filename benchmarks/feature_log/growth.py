"""Many rows, written by a process of its own whose memory is watched.

`python -m benchmarks.feature_log.growth TABLES ROWS` writes them and prints a line of JSON for each sample.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.feature_log.data import COMMIT_ROWS, messages, new_log
from benchmarks.feature_log.throughput import SIZE
from benchmarks.rows import Row, at_most
from services.feature_logging.store.memory import use_system_allocator

ROWS_A_DAY = 1_024_000  # whole messages
COMPACT_COMMITS = 2  # so that of the first commits, too, some are compacted
ENOUGH = 5_000_000
EVERY = 97  # messages, a quarter of a commit
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """After so many rows, the memory of the process in MB."""

    rows: int
    megabytes: float


def write(tables: Path, rows: int) -> list[Sample]:
    """In a process of its own."""
    command = (sys.executable, "-m", "benchmarks.feature_log.growth", str(tables), str(rows))
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Sample(*json.loads(line)) for line in told.splitlines() if line.startswith("[")]


async def _write(tables: Path, rows: int) -> None:
    use_system_allocator()
    log, intake = new_log(tables, COMPACT_COMMITS)
    for number in range(rows // SIZE):
        (message,) = messages([number], SIZE, ROWS_A_DAY)
        await intake.handle(message)
        if number % EVERY == EVERY - 1:
            _tell((number + 1) * SIZE)
    await intake.flush()
    _tell(rows // SIZE * SIZE)
    await log.at_rest()


def _tell(rows: int) -> None:
    # In one piece: a compaction's thread prints, too.
    sys.stdout.write(json.dumps(Sample(rows, _megabytes())) + "\n")


def _megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20


def figures(samples: Sequence[Sample]) -> dict[str, float]:
    """By name; growth is that of the middle memory of the last half of the rows over that of the first, without the
    first tenth (at least three commits). A highest memory grows with the number of samples: now and then a compaction
    falls together with a commit.
    """
    last = samples[-1].rows
    early, half = max(last / 10, 3 * COMMIT_ROWS), last / 2
    before = median(sample.megabytes for sample in samples if early < sample.rows <= half)
    after = median(sample.megabytes for sample in samples if half < sample.rows)
    most = max(sample.megabytes for sample in samples)
    return {"written_rows": last, "memory_mb": most, "memory_growth_mb": after - before}


def judged(found: dict[str, float]) -> Iterator[Row]:
    """The goal, of many rows: the first million fill what is kept for the next."""
    if found["written_rows"] < ENOUGH:
        return
    case = f"memory: MB more in the last half of {int(found['written_rows']):,} rows than in the first"
    yield at_most(case, found["memory_growth_mb"], 32)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1]), int(sys.argv[2])))
