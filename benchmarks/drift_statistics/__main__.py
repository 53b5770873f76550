"""The detector against its goals: false alarms and delays in simulation, faults in real flights.

`python -m benchmarks.drift_statistics [--quick] [--json FILE]`. Needs the extras `local` (the flights) and
`drift-detection`. Seeds are fixed. Ends with 1 if a goal is not met.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.drift_statistics import delays, false_alarms, flight_cases
from benchmarks.drift_statistics.false_alarms import Size
from benchmarks.drift_statistics.flights import Flights
from benchmarks.drift_statistics.rows import Row
from shared.definition import read_definition

DEFINITION = Path(__file__).parents[2] / "models" / "flight_delays" / "model.toml"
FULL, QUICK = (Size(20, 500), 4000), (Size(10, 100), 2000)


def all_rows(size: Size, models: int) -> Iterator[Row]:
    """Every case, one after the other."""
    yield from flight_cases.rows(Flights.read(read_definition(DEFINITION)))
    yield from delays.rows(models)
    yield from false_alarms.rows(size)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as they come; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    options = parser.parse_args(arguments)
    found: list[Row] = []
    for row in all_rows(*(QUICK if options.quick else FULL)):
        print(f"{'met    ' if row.met else 'NOT MET'}  {row.case}: {row.value} (goal: {row.goal})", flush=True)
        found.append(row)
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in found]}, indent=2) + "\n")
    return 0 if all(row.met for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
