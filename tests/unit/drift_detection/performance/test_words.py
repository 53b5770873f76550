import numpy as np
import pytest

from services.drift_detection.domain.performance.lags import LagCurve
from services.drift_detection.domain.performance.measure import Waiting
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from services.drift_detection.domain.performance.words import (
    SETTLED,
    Asked,
    Schedule,
    Span,
    performance_estimated,
    performance_measured,
)
from shared.cloudevents import decode, encode
from shared.events import stable_id
from shared.features import Float32
from shared.kafka.message import InMessage
from shared.reference import Reference, Sketch
from tests.unit.drift_detection.performance.cases import (
    HOUR,
    bare,
    definition,
    everything,
    outcomes,
    reference_of,
    rows,
    scorer,
)

SPAN = Span("pumps", stable_id("window"), "a" * 64, "champion", 400_000 * HOUR, 400_001 * HOUR)


def sketch_of(reference: Reference, scores: Float32) -> Sketch:
    sketch = reference.empty_sketch()
    sketch.add(bare(len(scores)), scores, reference.measure)
    return sketch


def test_an_estimate_tells_rows_and_how_sure_the_model_was() -> None:
    scores = np.array([[0.02]] * 3 + [[0.52]] * 4 + [[0.9999]] + [[np.nan]] * 2, np.float32)
    reference = reference_of("binary")
    event = performance_estimated(SPAN, 2, reference, sketch_of(reference, scores))
    assert (event.rows, event.outside, event.revision) == (8, 1, 2)
    assert event.confidence == (4, 0, 0, 0, 0, 0, 0, 0, 0, 4)
    assert [metric.name for metric in event.metrics] == ["log_loss", "brier", "error_rate", "auc"]
    assert event.not_assessed is None


def test_without_a_calibration_it_says_that_nothing_is_assessed() -> None:
    reference = reference_of("binary").model_copy(update={"calibration": None})
    event = performance_estimated(SPAN, 0, reference, sketch_of(reference, np.full((5, 1), 0.5, np.float32)))
    assert (event.rows, event.metrics, event.confidence) == (5, (), ())
    assert event.not_assessed is not None


def test_a_regressions_estimate_has_no_confidence() -> None:
    reference = reference_of("regression")
    event = performance_estimated(SPAN, 0, reference, sketch_of(reference, np.full((5, 1), 10, np.float32)))
    assert event.confidence == ()
    assert [metric.name for metric in event.metrics] == ["squared_error", "absolute_error", "bounded_error"]


@pytest.mark.parametrize("revision", [0, 3])
def test_events_pass_over_the_wire_and_their_ids_are_their_windows(revision: int) -> None:
    scores, labels = rows("binary", 400, np.random.default_rng(1))
    batch, window = outcomes(scores, labels), WindowOutcomes()
    scorer("binary").add(window, batch, everything(batch))
    asked = Asked(revision, SPAN.end + 13 * HOUR, False, Waiting(410, 13 * HOUR, LagCurve(), settled=True))
    measured = performance_measured(SPAN, scorer("binary"), window, asked)
    estimated = performance_estimated(SPAN, revision, reference_of("binary"), Sketch.empty(2, 0))
    assert (measured.rows, measured.labelled, measured.expected_share) == (410, 400, None)
    assert len({measured.id, estimated.id}) == 2
    for event in (measured, estimated):
        assert event.id == stable_id(SPAN.window_id, event.type, revision)
        message = encode(event, "drift_detection")
        assert decode(InMessage(message.topic, 0, 0, message.key, message.value, message.headers, 1)) == event


def test_a_window_is_spoken_of_five_times_and_then_never_again() -> None:
    schedule = Schedule.of(definition("binary"))  # labels within 12 hours, rows at most 1 hour late
    stages = [schedule.stage(hours * HOUR) for hours in (-1, 3, 4, 7, 13, 25, 36, 37, 1_000)]
    assert stages == [0, 0, 1, 2, 3, 4, 4, 5, 5]
    assert [schedule.is_final(hours * HOUR) for hours in (36, 37)] == [False, True]
    assert schedule.stage(schedule.delay + schedule.lateness) == SETTLED


def test_labels_that_come_at_once_are_spoken_of_once() -> None:
    assert [Schedule(0, HOUR).stage(since) for since in (0, HOUR)] == [0, 5]
