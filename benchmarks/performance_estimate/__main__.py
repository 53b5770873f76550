"""Does the label-free estimate cover what the labels show, and is it said where it does not?

`python -m benchmarks.performance_estimate [--quick] [--json FILE]` runs the decisions of drift_detection alone, without
Kafka. Models whose truth is known: the 95 % interval must cover in 93 to 97 % of windows where a score means what it
meant in the reference, moved inputs included; where it does not, the test of calibration must say so. Labels that
come late, and the alarm on risk at its bound. In full also the flights of 2013 from March on against those of January
and February (extra `local`, a minute). Ends with 1 if a goal is not met.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from benchmarks.output import writable
from benchmarks.performance_estimate.flights import flights
from benchmarks.performance_estimate.labels import late_labels, risk
from benchmarks.performance_estimate.rows import Size
from benchmarks.performance_estimate.simulated import broken, coverage
from benchmarks.rows import Row, exit_code, tell

FULL = Size(references=300, windows=5, rows=(100, 300, 1_000, 3_000, 10_000))
QUICK = Size(references=60, windows=10, rows=(100, 1_000))  # 10,000 rows need more references to be judged


def run(quick: bool) -> Iterator[Row]:
    """All cases, as they are done."""
    size = QUICK if quick else FULL
    yield from coverage(size)
    yield from broken(size)
    yield from late_labels(size)
    yield from risk(size)
    if not quick:
        yield from flights()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer windows, no flights")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the rows there, too")
    options = parser.parse_args(arguments)
    return exit_code(tell(run(options.quick), options.json))


if __name__ == "__main__":
    sys.exit(main())
