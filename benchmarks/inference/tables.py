"""The figures as tables, for a terminal and for Markdown alike."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.inference.cases import OVERLOAD, OVERLOAD_ROWS, SHADOWED, WITHOUT, Case
from benchmarks.inference.figures import Figures, Run
from benchmarks.inference.goals import judged, ratios
from benchmarks.inference.kinds import SLO_MS
from benchmarks.inference.overload import CONNECTIONS
from benchmarks.inference.steps import STEPS

MODELS = {
    "gbm": "GBM: 20 features in one input",
    "mlp": "MLP: 20 features in one input",
    "named": "GBM: 20 named inputs, two of them strings",
}
BESIDE = ("plain", "loop")  # what the service is compared with over sockets


class Table(NamedTuple):
    """`words` say what stands in it."""

    title: str
    words: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]


def tables(figures: Figures) -> list[Table]:
    """All."""
    speed = [_speed(figures, model, title) for model, title in MODELS.items()]
    beside = [_alone(figures), _steps(figures), _durable(figures), _costs(figures), _overload(figures)]
    return [_goals(figures), *speed, *beside]


def _goals(figures: Figures) -> Table:
    rows = [
        (goal.words, goal.bound, f"{value:g}", "met" if goal.is_met(value) else "NOT MET")
        for goal, value in judged(ratios(figures))
    ]
    return Table("Goals", "", ("figure of the GBM", "goal", "measured", ""), rows)


def _shares(run: Run) -> tuple[str, ...]:
    return *(f"{share:.0%}" for share in (run.server, run.lost, run.load, run.load_lost, run.broker)), run.binds


_SHARES = ("server", "lost", "load", "load lost", "broker", "binds")


def _speed(figures: Figures, model: str, title: str) -> Table:
    cases = [case for case in figures.runs if case.place.model == model and case.server in ("fast", *BESIDE)]
    head = (
        "connections",
        "rows",
        "form",
        "req/s",
        "rows/s",
        "p50 ms",
        "p99 ms",
        "to plain",
        "to limit",
        "CPU µs",
        *_SHARES,
    )
    return Table(title, "", head, [_speed_row(figures, case) for case in cases])


def _speed_row(figures: Figures, case: Case) -> tuple[str, ...]:
    run, (_, connections, rows) = figures.middle(case), case.place
    compared = (f"{figures.to_plain(case):.1f}x", f"{figures.to_alone(case):.0%}")
    return (
        str(connections),
        f"{rows:,}",
        case.server if case.server in BESIDE else case.form,
        f"{run.requests:,.0f}",
        f"{run.requests * rows:,.0f}",
        f"{run.p50:.2f}",
        f"{run.p99:.2f}",
        *(("", "") if case.server in BESIDE else compared),
        f"{run.microseconds:.0f}",
        *_shares(run),
    )


def _alone(figures: Figures) -> Table:
    rows = [
        (kind.upper(), f"{rows:,}", f"{statistics.median(calls):,.0f}", f"{statistics.median(calls) * rows:,.0f}")
        for (kind, rows), calls in figures.alone.items()
    ]
    words = "The limit: one process that calls the session with blocks at hand, on the servers' core."
    return Table("ONNX Runtime alone", words, ("model", "rows", "calls/s", "rows/s"), rows)


def _steps(figures: Figures) -> Table:
    rows = []
    for (turn, form), rounds in figures.steps.items():
        middle = [statistics.median(step) for step in zip(*rounds, strict=True)]
        rows.append((str(turn), form, *(f"{step:.1f}" for step in middle), f"{sum(middle):.1f}"))
    words = (
        "What a request of one row takes of the core, µs, by how many come in one turn of the event loop. `CPU µs` has "
        "more: the event loop and the kernel (`loop`), the connection and the batcher, and what the same steps take "
        "beyond this where caches and branches are cold after each call of the kernel. No single step binds."
    )
    return Table("Step by step, without sockets", words, ("in a turn", "form", *STEPS, "sum"), rows)


def _place(case: Case) -> tuple[str, ...]:
    return str(case.place.connections), f"{case.place.rows:,}", case.form


def _durable(figures: Figures) -> Table:
    rows = []
    for case in [case for case in figures.runs if case.server == "durable"]:
        fast = case._replace(server="fast")
        one, two = figures.middle(fast), figures.middle(case)
        latencies = (f"{value:.2f}" for value in (one.p50, two.p50, one.p99, two.p99))
        speed = (f"{one.requests:,.0f}", f"{two.requests:,.0f}", f"{figures.to(case, fast):.0%}")
        rows.append((*_place(case), *speed, *latencies, *_shares(two)))
    words = "An answer of mode durable waits until Kafka has acknowledged its rows. The GBM; shares of mode durable."
    head = ("fast req/s", "durable req/s", "of fast", "fast p50", "durable p50", "fast p99", "durable p99")
    return Table("Mode durable beside fast", words, ("connections", "rows", "form", *head, *_SHARES), rows)


def _costs(figures: Figures) -> Table:
    rows = []
    for case in figures.runs:
        fast = case._replace(server="fast")
        if case.server in WITHOUT:
            rows.append(_cost(figures, WITHOUT[case.server], fast, case))
        elif case.server == SHADOWED:
            rows.append(_cost(figures, "a shadow", case, fast))
    words = (
        "The service as it is, and a process put together without one part (`benchmarks/inference/without.py`): no row "
        "is logged or published; no token is sent or asked for; each request is a run of its own, as soon as it is "
        "read. Last, a model with a shadow beside it, and one without. A cost below zero is a gain; `binds` is of the "
        "one without. The GBM, mode fast."
    )
    head = ("with req/s", "without", "cost", "with CPU µs", "without", "with p99", "without", "p99 ratio", "binds")
    return Table("What each part costs", words, ("part", "connections", "rows", "form", *head), rows)


def _cost(figures: Figures, part: str, case: Case, without: Case) -> tuple[str, ...]:
    one, two = figures.middle(case), figures.middle(without)
    speed = (f"{one.requests:,.0f}", f"{two.requests:,.0f}", f"{1 - figures.to(case, without):+.1%}")
    tail = (f"{one.p99:.2f}", f"{two.p99:.2f}", f"{figures.p99_to(case, without):.2f}")
    each = (f"{one.microseconds:.0f}", f"{two.microseconds:.0f}")
    return (part, *_place(case), *speed, *each, *tail, two.binds)


def _overload(figures: Figures) -> Table:
    head = ("can req/s", "sent req/s", "unsent", "200/s", "429", "503", "other", "no Retry-After", "p50 ms", "p99 ms")
    rows = [
        (
            f"{one.can:,.0f}",
            f"{one.sent / one.seconds:,.0f}",
            f"{one.unsent:,}",
            f"{one.answers.get(200, 0) / one.seconds:,.0f}",
            *(f"{one.answers.get(status, 0):,}" for status in (429, 503)),
            f"{one.strange - one.mute:,}",
            f"{one.mute:,}",
            *(f"{value:.1f}" for value in (one.p50, one.p99, one.refused_p99, one.late_p99)),
            *(f"{value:.0f}" for value in (one.before, one.most, one.after)),
            *(f"{share:.0%}" for share in (one.server, one.lost, one.load, one.load_lost, one.broker)),
        )
        for one in figures.overloads
    ]
    words = (
        f"{OVERLOAD:g} times as many requests of {OVERLOAD_ROWS} rows, in JSON, as 64 connections brought just before, "
        f"at a fixed rate whatever comes back; the model's objective is {SLO_MS} ms. p50 and p99 are of the admitted, "
        "from when a request was due; late is how long after that it was sent; unsent are those for which none of "
        f"{CONNECTIONS:,} open connections was free. One line a round."
    )
    tail = ("refused p99 ms", "late p99 ms", "MB before", "MB most", "MB after", *_SHARES[:-1])
    return Table("Overload", words, (*head, *tail), rows)
