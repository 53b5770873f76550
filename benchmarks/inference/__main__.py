"""How fast inference serves, in one run beside a plain FastAPI application and ONNX Runtime alone.

    python -m benchmarks.inference [--quick] [--json FILE]

The server has one core, the load and the broker the other. All three take turns, so that a noisy machine hits all; the
figures are medians over the rounds. After each run the topic must hold exactly the rows that were answered.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.inference.load import Measured, load
from benchmarks.inference.models import graph
from benchmarks.inference.requests import Form, posts
from benchmarks.inference.servers import Ours, calls_a_second, ours, pin, plain

MODEL = "gbm"


class Case(NamedTuple):
    """What is posted."""

    connections: int
    rows: int
    form: Form


class Plan(NamedTuple):
    """What is measured, for how long."""

    connections: tuple[int, ...]
    rounds: int
    seconds: float


FULL = Plan((1, 16, 64), 5, 1.0)
QUICK = Plan((16,), 1, 0.5)
ROWS = (1, 32, 1_000)


class Figures:
    """What was measured: requests a second and p99 in ms, by case and server, one for each round."""

    def __init__(self) -> None:
        self.measured: dict[tuple[Case, str], list[Measured]] = defaultdict(list)
        self.calls: dict[int, list[float]] = defaultdict(list)

    def ratio(self, case: Case) -> float:
        """Ours to the plain application's with JSON."""
        ours, plain = self.measured[case, "ours"], self.measured[case._replace(form="json"), "plain"]
        return statistics.median(one.requests / other.requests for one, other in zip(ours, plain, strict=True))

    def share(self, case: Case) -> float:
        """Ours to ONNX Runtime alone."""
        pairs = zip(self.measured[case, "ours"], self.calls[case.rows], strict=True)
        return statistics.median(one.requests / calls for one, calls in pairs)


async def ours_once(server: Ours, case: Case, seconds: float) -> Measured:
    """One run; raises SystemExit unless the topic holds what was answered."""
    requests = posts(f"/v2/models/{MODEL}/infer", case.rows, case.form, server.token)
    measured = await asyncio.to_thread(load, server.port, requests, case.connections, seconds)
    rows = await server.logged(measured.answered * case.rows)
    if rows != measured.answered * case.rows:
        raise SystemExit(f"{case}: {measured.answered * case.rows} rows answered, {rows} on the topic")
    return measured


async def measure(plan: Plan) -> Figures:
    """All cases in all rounds."""
    figures = Figures()
    pin(os.getpid(), -1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph(MODEL))
        async with ours(Path(folder) / "state") as server, plain(file) as port:
            for _ in range(plan.rounds):
                await one_round(figures, plan, server, port)
                for rows in ROWS:
                    figures.calls[rows].append(await calls_a_second(file, rows, plan.seconds))
    return figures


async def one_round(figures: Figures, plan: Plan, server: Ours, port: int) -> None:
    """Each case once, ours and plain in turn."""
    for connections, rows in product(plan.connections, ROWS):
        for form in ("json", "binary"):
            case = Case(connections, rows, form)
            figures.measured[case, "ours"].append(await ours_once(server, case, plan.seconds))
        case = Case(connections, rows, "json")
        requests = posts("/infer", rows, "json")
        measured = await asyncio.to_thread(load, port, requests, connections, plan.seconds)
        figures.measured[case, "plain"].append(measured)


def table(figures: Figures) -> None:
    """Print all."""
    print(f"{'connections':>11} {'rows':>5} {'form':>7} {'req/s':>8} {'rows/s':>10} {'p50 ms':>7} {'p99 ms':>7}"
          f" {'to plain':>9} {'to limit':>9}")  # fmt: skip
    for (case, server), rounds in figures.measured.items():
        requests, p50, p99 = (statistics.median(column) for column in list(zip(*rounds, strict=True))[:3])
        told = f"{case.connections:>11} {case.rows:>5} {case.form if server == 'ours' else 'plain':>7}"
        compared = f" {figures.ratio(case):>8.1f}x {figures.share(case):>8.0%}" if server == "ours" else ""
        print(f"{told} {requests:>8,.0f} {requests * case.rows:>10,.0f} {p50:>7.2f} {p99:>7.2f}{compared}")
    for rows, calls in figures.calls.items():
        print(f"ONNX Runtime alone, {rows} rows: {statistics.median(calls):,.0f} calls/s")


def ratios(figures: Figures, plan: Plan) -> dict[str, float]:
    """The figures that are goals, by name; those of 16 connections have no number in it."""
    found: dict[str, float] = {}
    for connections, (form, suffix) in product(plan.connections, (("json", ""), ("binary", "_binary"))):
        at = "" if connections == 16 else f"_{connections}"
        for rows, name in ((1, "plain_1row"), (32, "plain_32rows")):
            found[f"{name}{at}{suffix}"] = figures.ratio(Case(connections, rows, form))  # type: ignore[arg-type]  # literals
        found[f"limit_1000rows{at}{suffix}"] = figures.share(Case(connections, 1_000, form))  # type: ignore[arg-type]
    return {name: round(value, 3) for name, value in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="16 connections, one short round")
    parser.add_argument("--json", type=Path, help="write the ratios into this file")
    options = parser.parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    plan = QUICK if options.quick else FULL
    figures = asyncio.run(measure(plan))
    table(figures)
    if options.json:
        options.json.write_text(json.dumps(ratios(figures, plan), indent=2) + "\n")


if __name__ == "__main__":
    main()
