"""The outcome of the demo, counted from the client's record, the topics and the Delta tables."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from deltalake import DeltaTable

from cli.demo.chronicle import Chronicle
from cli.demo.replay import Record
from cli.demo.story import Story
from shared.cloudevents import rfc3339
from shared.events import ChallengerEvaluated, DriftDetected, ModelPromoted, PerformanceMeasured, RetrainingStarted
from shared.feature_log.snapshot import Bounds, pin_snapshot


def client_figures(record: Record, first: str, serving: str) -> dict[str, Any]:
    """What the client counted."""
    p50, p99 = np.percentile(record.latencies_ms, [50, 99])
    return {
        "sent": record.sent,
        "answered": record.answered,
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "first_digest": first,
        "serving_digest": serving,
        "answered_by_serving": sum(digest == serving for digest in record.answered_by.values()),
    }


def logged_figures(tables: Path, model: str) -> dict[str, int]:
    """Champion rows in the Delta table, read with plain deltalake: distinct keys, and repeats of a key."""
    columns = ["request_id", "row", "bundle_digest"]
    table = DeltaTable(str(tables / model / "predictions")).to_pyarrow_table(
        columns=columns, filters=[("role", "=", "champion"), ("repeat", "=", False)]
    )
    distinct = table.group_by(columns).aggregate([]).num_rows
    return {"logged": distinct, "duplicates": table.num_rows - distinct}


def label_figures(tables: Path, chronicle: Chronicle, model: str) -> dict[str, int]:
    """Labels in the log, how many of them met a prediction, and windows whose performance was measured by them."""
    labels, met = (DeltaTable(str(tables / model / kind)).to_pyarrow_dataset() for kind in ("labels", "outcomes"))
    measured = {event.window_id for event in chronicle.all(PerformanceMeasured) if event.labelled}
    return {"labels": labels.count_rows(), "met": met.count_rows(), "measured_windows": len(measured)}


def drift_figures(chronicle: Chronicle, story: Story) -> dict[str, Any]:
    """What was found, when, and what came of it."""
    alarms = [alarm for alarm in chronicle.all(DriftDetected) if alarm.revision == 0]
    before = [alarm for alarm in alarms if alarm.end <= story.injection]
    after = [alarm for alarm in alarms if alarm.end > story.injection]
    found = min(after, key=lambda alarm: alarm.end, default=None)
    named = [feature.name for feature in (*found.features, *found.also_moved)] if found else []
    runs = chronicle.all(RetrainingStarted)
    ours = [run for run in runs if found and run.incident_id == found.incident_id]
    return {
        "windows": len(chronicle.panes),
        "injection": rfc3339(story.injection),
        "drift_found": rfc3339(found.end) if found else None,
        "drift_delay_hours": (found.end - story.injection) / timedelta(hours=1) if found else None,
        "drift_features": named,
        "injected_features": list(story.injected_features),
        "false_incidents": len(before),
        "later_incidents": len(after) - (found is not None),
        "runs": len({run.run_id for run in ours}),
        "other_runs": len({run.run_id for run in runs} - {run.run_id for run in ours}),
        "run_id": ours[0].run_id if ours else None,
    }


def challenge_figures(chronicle: Chronicle, run_id: str | None, serving: str) -> dict[str, Any]:
    """Champion against challenger on the holdout, and who approved what serves now."""
    results = chronicle.of_run(ChallengerEvaluated, run_id) if run_id else []
    approved = [event for event in chronicle.all(ModelPromoted) if event.digest == serving]
    figures: dict[str, Any] = {"approvers": sorted(approved[-1].approvers) if approved else []}
    if not results:
        return figures | {"metric": None, "champion_metric": None, "challenger_metric": None}
    result = results[0]
    return figures | {
        "metric": result.metric,
        "champion_metric": result.champion.metrics[result.metric],
        "challenger_metric": result.challenger.metrics[result.metric],
        "holdout_rows": result.holdout_rows,
    }


def loss_figures(tables: Path, story: Story, swapped_at: datetime | None) -> dict[str, float | None]:
    """Log loss of what was served (nats per row): before the injection, until the swap, and after it."""
    swap = swapped_at or story.end
    spans = {
        "log_loss_before": (story.start, story.injection),
        "log_loss_during": (story.injection, swap),
        "log_loss_after": (swap, story.end),
    }
    return {name: _log_loss(tables, story.model, *span) for name, span in spans.items()}


def _log_loss(tables: Path, model: str, start: datetime, end: datetime) -> float | None:
    if start >= end:
        return None
    rows = pin_snapshot(tables, model, Bounds(start, end, end + timedelta(days=7), "binary")).table
    rows = rows.filter(rows["score"].is_valid())
    label = rows["label"].to_numpy()
    score = np.clip(rows["score"].to_numpy().astype(np.float64), 1e-7, 1 - 1e-7)
    loss = -(label * np.log(score) + (1 - label) * np.log1p(-score)).mean()
    return None if math.isnan(loss) else round(float(loss), 4)
