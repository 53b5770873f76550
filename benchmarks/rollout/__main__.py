"""`python -m benchmarks.rollout [--quick] [--json FILE]`: simulated rollouts of fixed seeds; needs `drift-detection`.

Ends with 1 if a goal is not met.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import chain

from benchmarks.output import writable
from benchmarks.rollout import labelled
from benchmarks.rollout.cases import Size, rows
from benchmarks.rows import exit_code, tell

FULL, QUICK = Size(streams=200, panes=300), Size(streams=20, panes=150)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every goal is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.rollout")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter streams")
    parser.add_argument("--json", type=writable, help="write the rows to this file")
    told = parser.parse_args(arguments)
    size = QUICK if told.quick else FULL
    return exit_code(tell(chain(rows(size), labelled.rows(size.streams, size.panes)), told.json))


if __name__ == "__main__":
    sys.exit(main())
