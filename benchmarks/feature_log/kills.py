"""The service, killed again and again on a real Kafka, at any moment and within each of its steps."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row, at_most
from tests.fault.dying_log import STEPS
from tests.fault.log_kills import Load, killed


def measure(kills: int, of_each_step: int) -> dict[str, float]:
    """What was lost, and what is there twice."""
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(killed(Path(folder), Load(kills, steps=tuple(STEPS) * of_each_step)))
    return dict(tally.told())


def judged(found: dict[str, float]) -> Iterator[Row]:
    """The goals."""
    after = f"after {found['kills']} kills -9, of {found['sent']:,} rows"
    yield at_most(f"{after}: lost", found["lost"], 0)
    yield at_most(f"{after}: there twice", found["duplicates"], 0)
