"""The detector against its goals: false alarms and delays in simulation, faults in real flights.

`python -m benchmarks.drift_statistics [--quick] [--json FILE] [--report FILE]`. Needs the extras `local` (the flights)
and `drift-detection`; `--report` asks other detectors, too, in an environment of their own (1.8 GB), and writes a page.
Seeds are fixed. Ends with 1 if a goal is not met.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.drift_peers.plan import FULL as PEERS
from benchmarks.drift_peers.plan import QUICK as FEW_PEERS
from benchmarks.drift_statistics import delays, false_alarms, flight_cases, model_days, report, seasons, unseen
from benchmarks.drift_statistics.false_alarms import Size
from benchmarks.drift_statistics.flights import Flights
from benchmarks.drift_statistics.model_days import Days
from benchmarks.output import writable
from benchmarks.rows import Row, exit_code, tell
from shared.definition import read_definition

DEFINITION = Path(__file__).parents[2] / "models" / "flight_delays" / "model.toml"


@dataclass(frozen=True)
class Extent:
    """How much is simulated."""

    size: Size
    models: int
    days: Days
    seasons: int


FULL = Extent(Size(20, 500), 3000, Days(100, 100), 10)
QUICK = Extent(Size(10, 100), 2000, Days(50, 20), 2)


def all_rows(extent: Extent) -> Iterator[Row]:
    """Every case, one after the other."""
    flights = Flights.read(read_definition(DEFINITION))
    yield from flight_cases.rows(flights)
    yield from unseen.rows(flights, flight_cases.BEGINNINGS)
    yield from delays.rows(extent.models)
    yield from false_alarms.rows(extent.size)
    yield from model_days.rows(extent.days)
    yield from seasons.rows(extent.seasons)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as they come; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the rows there, too")
    parser.add_argument(
        "--report", type=writable, metavar="FILE", help="write the page with other detectors' figures there"
    )
    parser.add_argument("--few-peers", action="store_true", help="of these few windows only")
    options = parser.parse_args(arguments)
    found = tell(all_rows(QUICK if options.quick else FULL), options.json)
    if options.report:
        words = ["--quick"] * options.quick + ["--few-peers"] * options.few_peers
        command = " ".join(["python -m benchmarks.drift_statistics", *words, "--report", str(options.report)])
        report.write(options.report, found, FEW_PEERS if options.few_peers else PEERS, command)
    return exit_code(found)


if __name__ == "__main__":
    sys.exit(main())
