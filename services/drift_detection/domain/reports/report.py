"""The report on a window."""

from services.drift_detection.domain.quality.arrival import Before, arrival
from services.drift_detection.domain.quality.counts import Counts
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.quality.inspector import LEVEL, told_misfits
from services.drift_detection.domain.windows import Merged, about, window_id
from shared.events import DataQualityReported


def report(
    window: Merged, facts: Facts, revision: int, before: Before | None = None, share: float = 1.0
) -> DataQualityReported:
    """The report on a window of a champion that answers that `share` of all rows.

    `facts` of its rows; `before` is the last window that had rows, None if there was none.
    """
    counts, inspector = Counts(window.sketch, facts), window.watched.inspector
    expected = inspector.expected(window.key.start, share)
    return DataQualityReported(
        **about(window, window_id(window.key, window.watched.pane), DataQualityReported.__name__, revision),
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
