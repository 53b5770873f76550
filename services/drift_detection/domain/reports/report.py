"""The report on a window."""

from typing import Any

from services.drift_detection.domain.quality.arrival import Before, arrival
from services.drift_detection.domain.quality.counts import Counts
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.quality.inspector import LEVEL, told_misfits
from services.drift_detection.domain.windows import Merged, window_id
from shared.events import DataQualityReported, stable_id
from shared.reference.panes import moment


def report(
    window: Merged, facts: Facts, revision: int, before: Before | None = None, share: float = 1.0
) -> DataQualityReported:
    """The report on a window of a champion that answers that `share` of all rows.

    `facts` of its rows; `before` is the last window that had rows, None if there was none.
    """
    counts, inspector = Counts(window.sketch, facts), window.watched.inspector
    expected = inspector.expected(window.key.start, share)
    return DataQualityReported(
        **_about(window, revision),
        expected_rows=None if expected is None else expected.rows,
        low_rows=None if expected is None else expected.low,
        high_rows=None if expected is None else expected.high,
        arrival=arrival(facts),
        misfits=told_misfits(facts),
        columns=inspector.shares(counts),
        checks=inspector.checks,
        level=LEVEL,
        not_assessed=inspector.not_assessed,
        findings=tuple(inspector.find(counts, expected, before)),
    )


def _about(window: Merged, revision: int) -> dict[str, Any]:
    """Which window, and how many rows it has."""
    key, watched = window.key, window.watched
    identity = window_id(key, watched.pane)
    return {
        "id": stable_id(identity, DataQualityReported.__name__, revision),
        "time": moment(window.end),
        "model": watched.model,
        "window_id": identity,
        "revision": revision,
        "digest": key.digest,
        "reference_digest": watched.reference.digest,
        "role": "champion",
        "start": moment(key.start),
        "end": moment(window.end),
        "rows": window.sketch.rows,
        "repeats": window.repeats,
        "late_rows": window.late_rows,
    }
