"""What other detectors of drift say of the same windows: `python -m benchmarks.drift_peers`.

It prints, for plain rules and for each other detector with its defaults, the alarmed windows of 1,000 without any
drift, the windows until a fault in one feature is flagged there, and the rows per second. `--quick` looks at few
windows (minutes, after the environment `.envs/peers` was made once), else it takes an hour. `--flights` asks of real
flights instead, day by day, and needs the extra `local`. `--json FILE` writes the figures, too. Ends with 1 if one of
the others could not be asked.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.charts import markdown_table
from benchmarks.drift_peers import compare, flights
from benchmarks.drift_peers.plan import FULL, QUICK
from benchmarks.output import writable
from scripts.trial.errors import TrialFailed


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few windows")
    parser.add_argument("--flights", action="store_true", help="real flights, day by day")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        rows, left_out = flights.run() if options.flights else compare.run(QUICK if options.quick else FULL)
    except TrialFailed as failed:
        print(f"{failed.reason}\n{failed.said}", file=sys.stderr)
        return 1
    print(markdown_table(compare.by_case(rows)))
    for name, reason in left_out.items():
        print(f"\nLEFT OUT: {name}: {reason}")
    if options.json:
        found = {"rows": [asdict(row) for row in rows], "left_out": left_out}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
