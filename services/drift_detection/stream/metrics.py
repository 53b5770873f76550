"""What is counted."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge

from services.drift_detection.domain.progress import Progress
from services.drift_detection.domain.source.parts import Tally
from shared.events import Event, RowsTooLate

ROWS = Counter("driftline_drift_rows_total", "Rows read, by what became of them", ["outcome"])
MESSAGES = Counter("driftline_drift_messages_total", "Messages read, by outcome", ["topic", "outcome"])
LABELS = Counter("driftline_drift_labels_total", "Labels read, by what became of them", ["outcome"])
UNSENT = Counter("driftline_drift_unsent_total", "Messages that the broker will never take", ["topic"])
EVENTS = Counter("driftline_drift_events_total", "Events published, by type", ["type"])
AFTER_END = Counter(
    "driftline_drift_rows_after_end_total", "Rows of windows that had ended while their partition rested"
)
UNPLACED = Counter("driftline_drift_failures_unplaced_total", "Failed rows told too late, or of an unknown version")
LAST_ROW_AGE = Gauge("driftline_drift_last_row_age_seconds", "Since Kafka got the last rows", ["model"])
OPEN = Gauge("driftline_drift_open_incidents", "Incidents that are open", ["model"])

_COUNTED = ROWS.labels("counted")


@cache  # looking it up takes longer than counting
def _messages(topic: str, outcome: str) -> Counter:
    return MESSAGES.labels(topic, outcome)


def count_message(topic: str, outcome: str) -> None:
    """One of this topic."""
    _messages(topic, outcome).inc()


def count_rows(tally: Tally) -> None:
    """Each row once."""
    kept_out = {"repeat": tally.repeats, "too_late": tally.too_late, "future": tally.future}
    for outcome, rows in kept_out.items():
        if rows:
            ROWS.labels(outcome).inc(rows)
    _COUNTED.inc(tally.rows - sum(kept_out.values()))


def count_after_end(events: Iterable[Event]) -> None:
    """Of what the models' side says; these rows were counted before as any."""
    for event in events:
        if isinstance(event, RowsTooLate):
            AFTER_END.inc(sum(window.rows for window in event.windows))


def show_age(shown: Progress) -> None:
    """Of each model the age of its last row, whichever version answered it."""
    for model, digests in shown.items():
        told = [one.last_row_age_seconds for roles in digests.values() for one in roles.values()]
        ages = [age for age in told if age is not None]
        if ages:
            LAST_ROW_AGE.labels(model).set(min(ages))
