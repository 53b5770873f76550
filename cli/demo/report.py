"""The demo's outcome as tables on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.demo.lineage import Traced


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    def loss(name: str) -> str:
        return "-" if figures[name] is None else f"{figures[name]:.3f}"

    return [
        ("requests sent / answered / logged", "{sent:,} / {answered:,} / {logged:,}".format(**figures)),
        ("logged twice", str(figures["duplicates"])),
        ("latency p50 / p99", "{p50_ms:.2f} ms / {p99_ms:.2f} ms".format(**figures)),
        ("labels / met their prediction", "{labels:,} / {met:,}".format(**figures)),
        ("windows measured by labels", f"{figures['measured_windows']:,}"),
        ("drift windows closed", f"{figures['windows']:,}"),
        ("feed went wrong", str(figures["injection"])),
        ("drift found", f"{figures['drift_found']} ({figures['drift_delay_hours']} h later)"),
        ("features named", ", ".join(figures["drift_features"]) or "-"),
        ("false incidents before it", str(figures["false_incidents"])),
        ("retraining run", f"{figures['run_id']} ({figures['runs']} of this incident, {figures['other_runs']} others)"),
        (f"holdout {figures['metric']}, champion", f"{figures['champion_metric']}"),
        (f"holdout {figures['metric']}, challenger", f"{figures['challenger_metric']}"),
        ("approved by", ", ".join(figures["approvers"]) or "-"),
        ("serves now", str(figures["serving_digest"])[:16]),
        ("answered by it", f"{figures['answered_by_serving']:,}"),
        (
            "log loss before / during / after",
            f"{loss('log_loss_before')} / {loss('log_loss_during')} / {loss('log_loss_after')}",
        ),
        ("seconds", f"{figures['seconds']:.0f}"),
    ]


def show(console: Console, figures: Mapping[str, Any], traced: Traced | None) -> None:
    """Print the outcome and the lineage of one prediction."""
    table = Table("what", "figure", title="The loop")
    for name, value in _rows(figures):
        table.add_row(name, value)
    console.print(table)
    if traced is None:
        return
    table = Table("lineage of", traced.request_id, title="One prediction")
    for name, fact in traced.facts.items():
        table.add_row(name, str(fact))
    table.add_row("verified", "; ".join(traced.faults) or "row, bundle digest, signatures and training rows all hold")
    console.print(table)
