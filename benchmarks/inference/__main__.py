"""How fast inference serves, in one run beside a plain FastAPI application and ONNX Runtime alone.

    python -m benchmarks.inference [--quick] [--json FILE] [--report FILE]

The servers have one core, the load and the broker the other. All cases take turns, so that a noisy machine hits all;
the figures are medians over the rounds. Ends with 1 if, after a run, the topic holds other rows than were answered.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import Sequence

from benchmarks.inference.cases import FULL, QUICK
from benchmarks.inference.goals import ratios
from benchmarks.inference.machine import told
from benchmarks.inference.measure import measure
from benchmarks.inference.report import as_page, as_text
from benchmarks.inference.tables import tables
from benchmarks.output import writable


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of short runs, 16 connections alone")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the ratios there")
    parser.add_argument(
        "--report", type=writable, metavar="FILE", help="write the page there, such as docs/performance.md"
    )
    options = parser.parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    plan = QUICK if options.quick else FULL
    figures = asyncio.run(measure(plan))
    made = tables(figures)
    print("\n\n".join(map(as_text, made)))
    if options.json:
        options.json.write_text(json.dumps(ratios(figures), indent=2) + "\n")
    if options.report:
        command = "python -m benchmarks.inference" + (" --quick" if options.quick else "")
        options.report.write_text(as_page(made, plan, f"{command} --report {options.report}", told()))


if __name__ == "__main__":
    main()
