"""Reports on the quality of data: how often a clean window has a finding, and which faults are found in their window.

`python -m benchmarks.data_quality [--quick] [--json FILE]` runs the checks of drift_detection on simulated windows with
fixed seeds, and on real flights. Needs the extras `drift-detection` and `local` (the flights). Ends with 1 if a goal
is not met.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from benchmarks.data_quality import flights
from benchmarks.data_quality.bench import Bench
from benchmarks.data_quality.faults import FAULTS
from benchmarks.data_quality.stream import Kind, Stream
from benchmarks.output import writable
from benchmarks.rows import Row, exit_code, tell

KINDS = (
    Kind("1,000 rows, independent", 1_000, 30),
    Kind("1,000 rows, busy days, bursts of 10", 1_000, 30, swing=0.1, burst=10),
    Kind("1,000 rows, 20 share their values", 1_000, 30, run=20),
    Kind("30 rows, independent", 30, 60),
    Kind("30 rows, 5 share their values, busy days", 30, 60, run=5, swing=0.2),
)


def clean(kind: Kind, windows: int) -> Row:
    """How many clean windows have a finding, over references of different seeds."""
    references = max(1, windows // 500)
    found: Counter[str] = Counter()
    with_findings = 0
    for seed in range(references):
        bench, stream = Bench(kind, seed), Stream(kind, 1_000 + seed)
        before = None
        for hour in range(500):
            pane = stream.pane(hour)
            findings = bench.report(hour, pane, before).findings if len(pane.rows) else ()
            before = bench.before(pane) if len(pane.rows) else before
            with_findings += bool(findings)
            found.update({f"{one.kind} {one.feature or ''}".strip() for one in findings})
    share = with_findings / (500 * references)
    told = ", ".join(f"{name} {count}" for name, count in found.most_common(3))
    return Row(
        f"clean windows of {kind.name}: with a finding",
        f"{share:.2%} of {500 * references}" + (f" ({told})" if told else ""),
        "<= 1 %",
        share <= 0.01,
    )


def faults(kind: Kind, windows: int) -> list[Row]:
    """How many windows with a fault have the finding that names it."""
    bench, stream = Bench(kind, 7), Stream(kind, 77)
    found: Counter[str] = Counter()
    for hour in range(windows):
        pane, other = stream.pane(hour), stream.pane(hour)
        before = bench.before(other)
        for name, finding, fault in FAULTS:
            reported = bench.report(hour, fault(pane), before).findings
            found[name] += any(one.kind == finding for one in reported)
        again = bench.report(hour, pane, bench.before(pane)).findings
        found["the window before again"] += any(one.kind == "repeated" for one in again)
    return [
        Row(
            f"{kind.name}: {name}",
            f"found in {found[name] / windows:.1%} of windows",
            ">= 95 %",
            found[name] >= 0.95 * windows,
        )
        for name in [*(name for name, _, _ in FAULTS), "the window before again"]
    ]


def run(quick: bool) -> list[Row]:
    """All cases."""
    windows = 500 if quick else 5_000
    simulated = [clean(kind, windows) for kind in KINDS] + faults(KINDS[0], 24 if quick else 200)
    return simulated + flights.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer windows")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the rows there, too")
    options = parser.parse_args(arguments)
    return exit_code(tell(run(options.quick), options.json))


if __name__ == "__main__":
    sys.exit(main())
