from dataclasses import replace

import pytest

from services.drift_detection.domain.alarm.incidents import HOUR, QUIET, REMEMBERED, Alarm, IncidentBook
from services.drift_detection.domain.alarm.trail import Verdict
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.terms import Terms
from shared.events import DriftDetected, DriftedFeature, DriftResolved, DriftRetracted
from shared.events.base import stable_id
from tests.unit.drift_detection.pumps import DIGEST, START

START_US = int(START.astype("int64"))
OTHER = "b" * 64
TERMS = Terms(720, 4, "guaranteed", "c" * 64)


def moved(name: str) -> DriftedFeature:
    return DriftedFeature(name=name, rule="jump", statistic=20, threshold=12, evidence=28_800, effect=-20)


def key(hour: float, digest: str = DIGEST) -> WindowKey:
    return WindowKey(START_US + int(hour * HOUR), digest, "champion")


def alarm(hour: float, *names: str, beside: tuple[str, ...] = (), major: bool = True, digest: str = DIGEST) -> Alarm:
    where = key(hour, digest)
    verdict = Verdict(tuple(map(moved, names)), tuple(map(moved, beside)))
    return Alarm(where, stable_id(*where), where.start + HOUR, verdict, major, TERMS)


@pytest.fixture
def book() -> IncidentBook:
    return IncidentBook("pumps", [])


def test_an_alarm_opens_an_incident_that_says_all(book: IncidentBook) -> None:
    [event] = book.alarm(alarm(5, "temp", beside=("flow",)))
    assert isinstance(event, DriftDetected)
    assert [one.name for one in event.features] == ["temp"]
    assert [one.name for one in event.also_moved] == ["flow"]
    assert (event.severity, event.revision, event.budget) == ("major", 0, 720)
    assert event.time == event.end
    assert event.onset == event.start
    assert event.incident_id == stable_id(DIGEST, event.window_id)


def test_an_alarm_names_the_segments_in_which_it_shows(book: IncidentBook) -> None:
    parts = [moved("temp").model_copy(update={"segment": name}) for name in ("site=north", "site=south")]
    where = alarm(5)
    [event] = book.alarm(replace(where, verdict=Verdict((moved("temp"), parts[1]), (parts[0],))))
    assert isinstance(event, DriftDetected)
    assert event.slices == ("site=north", "site=south")


def test_a_shared_feature_joins_whenever_it_alarms(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    assert book.alarm(alarm(30, "temp", "flow")) == []
    [incident] = book.incidents
    assert set(incident.features) == {"temp", "flow"}


def test_another_feature_joins_within_an_hour_only(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    assert book.alarm(alarm(5.9, "flow")) == []
    assert len(book.alarm(alarm(7, "wind"))) == 1
    assert len(book.incidents) == 2


def risk(hour: float, digest: str = DIGEST) -> Alarm:
    where = key(hour, digest)
    feature = DriftedFeature(name="risk", rule="risk", statistic=9, threshold=8, evidence=8_100, effect=0.1)
    return Alarm(where, stable_id(*where), where.start + HOUR, Verdict((feature,)), major=False, terms=TERMS)


def test_an_alarm_on_risk_joins_whatever_is_open_and_stays_when_rows_take_the_rest_back(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    assert book.alarm(risk(90)) == []
    [incident] = book.incidents
    assert set(incident.features) == {"temp", "risk"}
    where = key(5)
    assert book.retract(where, stable_id(*where), where.start + HOUR) == []
    assert (set(incident.features), incident.state) == ({"risk"}, "open")
    assert len(book.alarm(risk(90, OTHER))) == 1


def test_bundles_have_incidents_of_their_own(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    assert len(book.alarm(alarm(5, "temp", digest=OTHER))) == 1


def test_joining_is_published_only_when_it_raises_the_severity(book: IncidentBook) -> None:
    [first] = book.alarm(alarm(5, "temp", beside=("flow",), major=False))
    [second] = book.alarm(alarm(6, "temp", "flow"))
    assert isinstance(first, DriftDetected)
    assert isinstance(second, DriftDetected)
    assert (first.severity, second.severity, second.revision) == ("minor", "major", 1)
    assert (second.incident_id, second.onset) == (first.incident_id, first.onset)
    assert second.id != first.id
    assert (len(second.features), second.also_moved) == (2, ())
    assert book.alarm(alarm(7, "temp", major=False)) == []


def test_an_alarm_taken_back_retracts_an_incident_of_its_own(book: IncidentBook) -> None:
    [detected] = book.alarm(alarm(5, "temp"))
    assert isinstance(detected, DriftDetected)
    [event] = book.retract(key(5), detected.window_id, key(6).start)
    assert isinstance(event, DriftRetracted)
    assert event.incident_id == detected.incident_id
    assert book.open_ones(DIGEST) == []
    assert book.retract(key(5), detected.window_id, key(6).start) == []


def test_an_alarm_taken_back_leaves_an_incident_that_others_joined(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    book.alarm(alarm(6, "temp", "flow"))
    assert book.retract(key(6), stable_id(*key(6)), key(7).start) == []
    assert set(book.incidents[0].features) == {"temp"}


def test_an_alarm_in_a_window_that_can_not_change_any_more_stays(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    book.alarm(alarm(6, "flow", "temp"))
    book.settle(DIGEST, key(6).start)
    assert book.retract(key(6), stable_id(*key(6)), key(7).start) == []
    assert set(book.incidents[0].features) == {"temp"}


def test_one_that_was_retracted_comes_back_as_another(book: IncidentBook) -> None:
    opened: list[DriftDetected] = []
    for _ in range(3):
        opened += [event for event in book.alarm(alarm(5, "temp")) if isinstance(event, DriftDetected)]
        book.retract(key(5), stable_id(*key(5)), key(6).start)
    assert len({event.incident_id for event in opened}) == len({event.id for event in opened}) == 3
    assert [one.incident_id for one in book.incidents] == [event.incident_id for event in opened]
    assert {one.state for one in book.incidents} == {"retracted"}


def test_it_ends_when_quiet_for_a_day_and_back_in_range(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp", "flow"))
    last = book.incidents[0].last_alarm
    assert book.quiet(DIGEST, last + QUIET - 1, lambda *_: True) == []
    assert book.quiet(DIGEST, last + QUIET, lambda name, _: name == "temp") == []
    [event] = book.quiet(DIGEST, last + QUIET, lambda _, since: since == last)
    assert isinstance(event, DriftResolved)
    assert event.reason == "quiet"
    assert book.quiet(DIGEST, last + QUIET, lambda *_: True) == []


def test_another_champion_ends_the_incidents_of_the_one_before(book: IncidentBook) -> None:
    book.alarm(alarm(5, "temp"))
    book.alarm(alarm(5, "temp", digest=OTHER))
    [event] = book.champion_changed(OTHER, START_US)
    assert isinstance(event, DriftResolved)
    assert (event.digest, event.reason) == (DIGEST, "champion_changed")
    assert [one.digest for one in book.incidents if one.state == "open"] == [OTHER]


def test_ended_incidents_are_not_kept_for_ever(book: IncidentBook) -> None:
    for number in range(REMEMBERED + 20):
        book.alarm(alarm(5 + 2 * number, f"feature_{number}"))
        book.champion_changed(OTHER, START_US)
    assert len(book.incidents) == REMEMBERED
