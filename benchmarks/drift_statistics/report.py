"""docs/detector.md: every row with its goal, and curves beside other detectors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.charts import Axis, bar_chart, line_chart, markdown_table
from benchmarks.drift_peers import compare, flights
from benchmarks.drift_peers.compare import Row as Said
from benchmarks.drift_peers.plan import Plan
from benchmarks.drift_statistics.delays import Case, delay, steady
from benchmarks.drift_statistics.worlds import Change
from benchmarks.rows import Row

SHIFTS = (0.05, 0.1, 0.25, 0.5)
CURVES = ("CUSUM, calibrated", "p < 0.05, Bonferroni", "NannyML", "Evidently", "river ADWIN", "PSI > 0.1")
_MODELS = 1000
HEAD = """# The drift detector, measured

Written by `python -m benchmarks.drift_statistics --report docs/detector.md`. What the detector does and why is in
[architecture.md](architecture.md); its code is `services/drift_detection/domain/detector/`. G is the mode that is
guaranteed, C the calibrated one. A window is a pane of n rows, R the rows of the reference.

What the bets on features do not name may show in the scores or the labels: of the fault of the wind's unit, and of
that of the temperatures' beside it, the table says what the score's own bets, the estimate without labels and the bet
on risk make of six days, and what the fault costs. Where none of them finds it, nothing does in that time.

Canary and shadow are compared with the champion by subjects, as rows of one hang together: a row's entity, or its
request if it has none. Outcomes tell no entity, so losses are grouped by request alone; as rows of one entity may come
in many requests, the bands of the loss are at least as much widened as those of the score, which knows the entities.
"""


def write(path: Path, rows: Sequence[Row], plan: Plan, command: str) -> None:
    """The report, and its charts beside it; asks the other detectors for their figures."""
    said, left_out = compare.run(plan)
    days, more = flights.run()
    charts = {"delays": _delays(said), "false_alarms": _false_alarms(said, rows)}
    for name, chart in charts.items():
        path.with_name(f"detector_{name}.svg").write_text(chart)
    parts = [
        HEAD,
        f"This one: `{command}`.\n",
        "## Goals\n\n" + markdown_table([asdict(row) for row in rows]),
        "## Beside others\n\nTheir defaults on the same kind of windows: 45 numeric and 5 categorical features.\n",
        "![Windows until a shift is found](detector_delays.svg)\n\n![False alarms](detector_false_alarms.svg)\n",
        markdown_table(compare.by_case(said)),
        "## On flights as they are, and with temp and dewp in °C\n\n" + markdown_table(compare.by_case(days)),
        *(f"Left out: {name}: {reason}\n" for name, reason in {**left_out, **more}.items()),
    ]
    path.write_text("\n".join(part.rstrip() + "\n" for part in parts))


def _delays(said: Sequence[Said]) -> str:
    series: dict[str, list[tuple[float, float]]] = {}
    for mode in "GC":
        series[f"Driftline, {mode}"] = [(shift, _ours(shift, mode)) for shift in SHIFTS]
    for peer in CURVES:
        points = [(shift, value) for shift in SHIFTS for value in _theirs(said, peer, f"+{shift:g} sd")]
        if points:
            series[peer] = points
    axes = Axis("shift of one feature of 50, standard deviations", log=True), Axis("windows of 1,000 rows", log=True)
    return line_chart(series, "Windows until a shift is found", *axes)


def _ours(shift: float, mode: str) -> float:
    windows, _ = delay(Case("", steady(Change(shift=shift)), (0, 0)), mode, _MODELS, 7)
    return float(windows.mean())


def _theirs(said: Sequence[Said], peer: str, change: str) -> Iterator[float]:
    for row in said:
        if (
            row.peer == peer
            and row.case.startswith(f"delay in windows, {change},")
            and not row.missed
            and row.value != "never"
        ):
            yield max(float(row.value), 1.0)


def _false_alarms(said: Sequence[Said], rows: Sequence[Row]) -> str:
    mine = {row.case[-1]: row.value for row in rows if "n=1000, R=100k" in row.case}
    bars: Mapping[str, float] = {f"Driftline, {mode}": float(value) for mode, value in mine.items()}
    first = next(row.case for row in said if row.case.startswith("alarmed windows"))
    theirs = {row.peer: float(row.value) for row in said if row.case == first}
    return bar_chart({**bars, **theirs}, f"Without drift: {first.replace('n=', 'n = ')}", Axis("of 1,000 windows"))
