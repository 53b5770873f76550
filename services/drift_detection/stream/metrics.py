"""What is counted."""

from prometheus_client import Counter, Gauge

from services.drift_detection.domain.partition import Tally

ROWS = Counter("driftline_drift_rows_total", "Rows read, by what became of them", ["outcome"])
MESSAGES = Counter("driftline_drift_messages_total", "Messages read, by outcome", ["topic", "outcome"])
LABELS = Counter("driftline_drift_labels_total", "Labels read, by what became of them", ["outcome"])
EVENTS = Counter("driftline_drift_events_total", "Events published, by type", ["type"])
OPEN = Gauge("driftline_drift_open_incidents", "Incidents that are open", ["model"])


def count_rows(tally: Tally) -> None:
    """Each row once."""
    kept_out = {"repeat": tally.repeats, "too_late": tally.too_late, "future": tally.future}
    for outcome, rows in kept_out.items():
        if rows:
            ROWS.labels(outcome).inc(rows)
    ROWS.labels("counted").inc(tally.rows - sum(kept_out.values()))
