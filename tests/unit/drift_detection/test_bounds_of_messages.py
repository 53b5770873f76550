"""What is said and stored stays below the broker's limit on a message, whatever a model's size."""

import json

import pytest

from services.drift_detection.domain.alarm.incidents import MOST_KEPT, REMEMBERED, IncidentBook
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.windows import MOST_HISTOGRAMS, Merged, shown, window_event
from shared.events import DriftedFeature
from shared.kafka.admin import MOST_BYTES
from tests.unit.drift_detection.pumps import DIGEST, hours, watched


@pytest.mark.parametrize("features", [20, MOST_HISTOGRAMS - 5, 2_500])
def test_a_window_of_very_many_features_fits_into_a_message_and_shows_their_effects(features: int) -> None:
    sketch = watched().reference.empty_sketch()
    _, rows, scores = hours(0, 200)
    sketch.add(rows, scores, watched().reference.measure)
    event = window_event(Merged(WindowKey(0, DIGEST, "champion"), watched(), sketch, 0, 0), 0)
    numeric, categorical, told = shown(event.numeric[:1] * features, event.categorical, event.scores)
    event = event.model_copy(update={"numeric": numeric, "categorical": categorical, "scores": told})
    assert len(event.model_dump_json()) < 0.9 * MOST_BYTES
    assert len(event.numeric) == features
    assert all(one.psi is not None and one.mean is not None for one in event.numeric)
    assert {bool(one.counts) for one in event.numeric} == {features < 500}


def ended(number: int, streams: int) -> Incident:
    one = DriftedFeature(name="temp", rule="jump", statistic=1.0, threshold=1.0, evidence=1.0, effect=1.0)
    features = {f"f{at}": one.model_copy(update={"name": f"f{at}"}) for at in range(streams)}
    return Incident(
        incident_id=f"{number:032x}",
        digest=DIGEST,
        opened=number,
        onset=number,
        last_alarm=number,
        severity="minor",
        features=features,
        also_moved={},
        windows={number: list(features)},
    )


@pytest.mark.parametrize("streams", [1, 200])
def test_as_many_ended_incidents_are_remembered_as_fit_into_a_record(streams: int) -> None:
    incidents = [ended(number, streams) for number in range(REMEMBERED + 10)]
    book = IncidentBook("pumps", incidents)
    book.champion_changed("b" * 64, 100)
    kept = min(REMEMBERED, MOST_KEPT // streams)
    assert [one.opened for one in incidents] == list(range(REMEMBERED + 10))[-kept:]
    assert len(json.dumps([one.model_dump_json() for one in incidents])) < MOST_BYTES
