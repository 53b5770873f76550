"""`python -m benchmarks.rollout [--quick] [--json FILE]`: simulated rollouts of fixed seeds; needs `drift-detection`.

Ends with 1 if a goal is not met.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.rollout.cases import Row, Size, rows

FULL, QUICK = Size(streams=200, panes=300), Size(streams=20, panes=100)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every goal is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.rollout")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter streams")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    told = parser.parse_args(arguments)
    answer: list[Row] = []
    for row in rows(QUICK if told.quick else FULL):
        answer.append(row)
        print(f"{'met ' if row.met else 'MISSED'} {row.case}: {row.value} (goal {row.goal})", flush=True)
    if told.json:
        content = {"rows": [asdict(row) for row in answer]}
        told.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return 0 if all(row.met for row in answer) else 1


if __name__ == "__main__":
    sys.exit(main())
