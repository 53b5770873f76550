"""The feature log: rows per second into Delta and out of it beside plain Parquet, a day of commits, memory, kills.

    python -m benchmarks.feature_log [--quick] [--json FILE]

Its rows have 55 numeric features and 5 categorical ones. Speeds are rows per second of CPU, so that what else runs on
the machine counts little; commits are timed by the clock. Ends with 1 if a goal is not met.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.feature_log import day, growth, kills, poison, proof, reading, throughput, waiting
from benchmarks.output import writable
from benchmarks.rows import Row, exit_code, tell

Figures = dict[str, float]


class Plan(NamedTuple):
    """How much is measured. `rows` are written by a process whose memory is watched, then read."""

    rounds: int
    written: int
    commits: int
    rows: int
    kills: int
    kills_of_each_step: int


FULL = Plan(rounds=5, written=1_000_000, commits=day.COMMITS, rows=10_000_000, kills=200, kills_of_each_step=50)
QUICK = Plan(rounds=3, written=102_400, commits=220, rows=1_000_000, kills=2, kills_of_each_step=0)


def measured(plan: Plan, told: Figures) -> Iterator[Row]:
    """Every case, one after the other; the figures go into `told`."""
    small = throughput.measure(plan.rounds, plan.written, throughput.SIZE)
    found = throughput.figures(small, throughput.measure(plan.rounds, plan.written, throughput.LARGE))
    told |= found
    yield from throughput.judged(found)
    told |= (found := poison.figures(poison.measure(plan.rounds, plan.written)))
    yield from poison.judged(found)
    told |= (found := waiting.figures(waiting.measure(plan.rounds)))
    yield from waiting.judged(found)
    told |= (found := day.figures(asyncio.run(day.measure(plan.commits))))
    yield from day.judged(found)
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder)
        told |= (found := growth.figures(growth.write(tables, plan.rows)))
        yield from growth.judged(found)
        told |= (found := proof.hashing(plan.rounds) | proof.reading(tables))
        yield from proof.judged(found)
        told |= (found := reading.scan(tables, plan.rounds) | reading.join(tables, int(told["written_rows"])))
        yield from reading.judged(found)
    told |= (found := kills.measure(plan.kills, plan.kills_of_each_step))
    yield from kills.judged(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as they come, then the figures; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, for CI")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    found: Figures = {}
    rows = tell(measured(QUICK if options.quick else FULL, found), None)
    for name, value in found.items():
        print(f"{name:28} {value:14,.3f}")
    if options.json:
        options.json.write_text(json.dumps({**found, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    return exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
