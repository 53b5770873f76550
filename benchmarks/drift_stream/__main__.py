"""How fast drift detection counts: its sketch beside plain scipy, and the whole service on a real Kafka.

    python -m benchmarks.drift_stream [--quick] [--json FILE]

Speeds are rows per second of CPU, so that what else runs on the machine counts little. The service is a process of its
own on the last core; it reads messages of 256 rows (55 numeric features, 5 categorical ones, a score), 60,000 rows to a
window, that were written before it starts. Ends with 1 if a goal is not met.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.drift_stream.service import SIZE, Delay, Sample, broker, delays, fill, follow, service
from benchmarks.drift_stream.sketch import Speeds, speeds
from benchmarks.output import writable


class Plan(NamedTuple):
    """How much is measured."""

    rounds: int
    rows: int
    windows: int


class Row(NamedTuple):
    """One line of the table."""

    case: str
    value: float
    goal: str
    met: bool


FULL = Plan(rounds=15, rows=10_000_000, windows=200)
QUICK = Plan(rounds=5, rows=1_000_000, windows=30)
_GROWTH = 32


async def measure_service(rows: int, windows: int) -> tuple[list[Sample], Delay]:
    """The service's samples while it reads what is there, and its delays when it has."""
    count = -(-rows // SIZE)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        async with broker(state) as (stack, messages):
            await fill(stack.kafka, messages, count)
            async with service(state, stack.kafka) as (address, pid):
                token = (state / "tokens" / "viewer.jwt").read_text()
                samples = await follow(address, pid, token, count * SIZE)
                return samples, await delays(stack.kafka, messages, count * SIZE // 60_000 + 2, windows)


def results(told: Speeds, samples: Sequence[Sample], delay: Delay) -> dict[str, float]:
    """By name."""
    last = samples[-1]
    began = next(one for one in samples if one.rows > last.rows / 10)
    rows = last.rows - began.rows
    # By then a long run holds all windows that late rows may still revise: 3.6 million rows of an hour.
    half = next(one for one in samples if one.rows > last.rows / 2)
    return {
        "sketch_rows_per_s": told.sketch,
        "sketch_messages_rows_per_s": told.messages,
        "statistics_rows_per_s": told.seven,
        "scipy_rows_per_s": told.scipy,
        "sketch_over_scipy": told.ratio,
        "service_rows_per_s": rows / (last.cpu - began.cpu),
        "service_rows_per_s_wall": rows / (last.seconds - began.seconds),
        "memory_mb": last.megabytes,
        "memory_growth_mb": last.megabytes - half.megabytes,
        "delay_p50_s": delay.p50,
        "delay_p99_s": delay.p99,
    }


def judged(found: dict[str, float], rows: int) -> list[Row]:
    """The goals, and whether they are met."""
    goals = (
        ("sketch of 55 columns of 10,000 numbers: rows/s of CPU", "sketch_rows_per_s", 2_000_000, True),
        ("its seven statistics: times plain scipy's rows/s", "sketch_over_scipy", 25, True),
        ("from Kafka to event, 256 rows a message: rows/s of CPU", "service_rows_per_s", 200_000, True),
        (f"memory: MB more after {rows:,} rows than after half of them", "memory_growth_mb", _GROWTH, False),
        ("from the watermark to the window's event: p99 in s", "delay_p99_s", 2, False),
    )
    return [
        Row(case, round(found[name], 3), f"{'≥' if least else '≤'} {goal:,}", (found[name] >= goal) == least)
        for case, name, goal, least in goals
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, for CI")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    told = speeds(plan.rounds)
    samples, delay = asyncio.run(measure_service(plan.rows, plan.windows))
    found = results(told, samples, delay)
    rows = judged(found, plan.rows)
    for name, value in found.items():
        print(f"{name:28} {value:14,.3f}")
    for row in rows:
        print(f"{'met   ' if row.met else 'NOT MET'}  {row.case}: {row.value:,} (goal: {row.goal})")
    if options.json:
        content = {**found, "rows": [row._asdict() for row in rows]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
