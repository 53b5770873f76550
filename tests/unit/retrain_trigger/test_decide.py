from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.retrain_trigger.domain.decide import View, decide, ended, reconsider, unusable
from services.retrain_trigger.domain.runs import Run
from shared.definition import ModelDefinition, parse_definition
from shared.errors import InvalidInput
from shared.events import DriftResolved, DriftRetracted, stable_id
from tests.unit.retrain_trigger.stand import LABELLED_AT, ONSET, WAIT_UNTIL, definition_text, drifted, incident

DEFINITION = parse_definition(definition_text())
DAY = timedelta(days=1)


def run_for(number: int = 1, **changes: object) -> Run:
    outcome = decide(incident(number=number), DEFINITION, View())
    assert outcome is not None
    return outcome.run.model_copy(update=changes)


def decided(view: View, definition: ModelDefinition = DEFINITION, **changes: Any) -> tuple[str, str]:
    outcome = decide(incident(**changes), definition, view)
    assert outcome is not None
    return outcome.event.decision, outcome.event.reason


def test_a_major_incident_waits_until_a_week_after_its_onset_is_labelled() -> None:
    outcome = decide(incident(), DEFINITION, View(labelled_to=ONSET))
    assert outcome is not None
    assert (outcome.event.decision, outcome.run.state) == ("wait", "waiting")
    assert (outcome.event.wait_until, outcome.run.labelled_at) == (WAIT_UNTIL, LABELLED_AT)
    assert outcome.event.time == incident().time
    assert outcome.event.features == ("temp", "dewp")
    assert "2013-04-01T01:00:00Z" in outcome.event.reason


def test_a_model_without_labels_waits() -> None:
    assert decided(View())[0] == "wait"


def test_an_incident_whose_week_is_labelled_runs_at_once() -> None:
    assert decided(View(labelled_to=LABELLED_AT))[0] == "run"
    assert decided(View(labelled_to=LABELLED_AT - timedelta(microseconds=1)))[0] == "wait"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"role": "shadow"}, "a shadow's"), ({"role": "canary"}, "a canary's"), ({"severity": "minor"}, "too small")],
)
def test_what_is_no_major_drift_of_a_champion_is_skipped(changes: dict[str, Any], reason: str) -> None:
    decision, why = decided(View(labelled_to=LABELLED_AT), **changes)
    assert decision == "skip"
    assert reason in why


def test_a_champion_that_was_replaced_is_not_retrained() -> None:
    assert decided(View(was_replaced=True)) == ("skip", "another champion serves since the alarm")


def test_a_model_without_a_training_function_is_skipped() -> None:
    without = DEFINITION.model_copy(update={"training": None})
    assert decided(View(), without) == ("skip", "the definition names no training function")


@pytest.mark.parametrize("state", ["waiting", "running", "evaluated"])
def test_a_feature_that_has_a_run_within_the_cooldown_is_skipped(state: str) -> None:
    earlier = run_for(7, state=state, features=("dewp", "wind"))
    later = ONSET + 13 * DAY
    decision, why = decided(View([earlier]), onset=later)
    assert decision == "skip"
    assert earlier.run_id in why
    assert "dewp" in why
    assert "temp" not in why


def test_after_the_cooldown_the_same_feature_may_run_again() -> None:
    assert decided(View([run_for(7)]), onset=ONSET + 14 * DAY)[0] == "wait"


@pytest.mark.parametrize(("state", "word"), [("evaluated", "skip"), ("skipped", "wait")])
def test_a_drift_that_was_retracted_and_came_back_is_trained_on_once(state: str, word: str) -> None:
    at_once = DEFINITION.retraining.model_copy(update={"cooldown_days": 0.0})
    definition = DEFINITION.model_copy(update={"retraining": at_once})
    assert decided(View([run_for(7, state=state)]), definition)[0] == word
    assert decided(View([run_for(7, state=state)]), definition, onset=ONSET + DAY)[0] == "wait"


def test_a_run_for_other_features_is_no_reason_not_to_run() -> None:
    assert decided(View([run_for(7, features=("wind",))]), onset=ONSET + DAY)[0] == "wait"


@pytest.mark.parametrize("state", ["failed", "skipped"])
def test_a_run_that_made_no_challenger_does_not_cool_down(state: str) -> None:
    assert decided(View([run_for(7, state=state)]), onset=ONSET + DAY)[0] == "wait"


@pytest.mark.parametrize("state", ["waiting", "running", "evaluated", "failed", "skipped"])
def test_an_incident_that_has_a_run_gets_no_other(state: str) -> None:
    assert decide(incident(), DEFINITION, View([run_for(1, state=state)])) is None
    assert decide(incident(revision=1), DEFINITION, View([run_for(1, state=state)])) is None


def test_a_minor_incident_that_becomes_major_is_decided_anew_under_the_same_run() -> None:
    minor = decide(incident(severity="minor"), DEFINITION, View())
    assert minor is not None
    assert decide(incident(severity="minor"), DEFINITION, View([minor.run])) is None
    major = decide(incident(revision=1), DEFINITION, View([minor.run]))
    assert major is not None
    assert major.event.decision == "wait"
    assert major.run.run_id == minor.run.run_id
    assert major.event.id != minor.event.id


def test_a_run_that_was_skipped_for_its_end_stays_skipped() -> None:
    over = ended(run_for(), retracted())
    assert over is not None
    assert decide(incident(revision=1), DEFINITION, View([over.run])) is None


def test_the_same_incident_gives_the_same_ids() -> None:
    first, again = (decide(incident(), DEFINITION, View()) for _ in range(2))
    assert first == again
    other = decide(incident(number=2), DEFINITION, View())
    assert first is not None
    assert other is not None
    assert (first.event.id, first.run.run_id) != (other.event.id, other.run.run_id)


def test_an_onset_beyond_all_time_is_refused() -> None:
    with pytest.raises(InvalidInput, match="onset"):
        decide(incident(onset=datetime(9999, 12, 31, tzinfo=UTC)), DEFINITION, View())


def test_a_feature_that_alarmed_and_moved_is_named_once() -> None:
    outcome = decide(incident(also_moved=(drifted("temp"), drifted("dewp"))), DEFINITION, View())
    assert outcome is not None
    assert outcome.run.features == ("temp", "dewp")


def retracted() -> DriftRetracted:
    event = incident()
    return DriftRetracted(
        id=stable_id("retracted"),
        time=ONSET + 2 * DAY,
        model=event.model,
        incident_id=event.incident_id,
        digest=event.digest,
        window_id=event.window_id,
    )


def resolved(reason: str) -> DriftResolved:
    told = retracted().model_dump(exclude={"window_id", "type"}) | {"reason": reason}
    return DriftResolved.model_validate(told)


def test_a_waiting_run_whose_alarm_is_retracted_is_skipped() -> None:
    outcome = ended(run_for(), retracted())
    assert outcome is not None
    assert (outcome.event.decision, outcome.event.time) == ("skip", ONSET + 2 * DAY)
    assert "retracted" in outcome.event.reason


@pytest.mark.parametrize(("reason", "said"), [("champion_changed", "another champion"), ("quiet", "quiet")])
def test_a_waiting_run_whose_incident_is_resolved_is_skipped(reason: str, said: str) -> None:
    outcome = ended(run_for(), resolved(reason))
    assert outcome is not None
    assert outcome.run.state == "skipped"
    assert said in outcome.event.reason


@pytest.mark.parametrize("state", ["running", "evaluated", "failed", "skipped"])
def test_the_end_of_an_incident_does_not_touch_a_run_that_no_longer_waits(state: str) -> None:
    assert ended(run_for(state=state), retracted()) is None


def test_a_waiting_run_goes_on_waiting_then_runs_when_the_labels_are_there() -> None:
    run = run_for()
    assert reconsider(run, View(labelled_to=LABELLED_AT - DAY)) is None
    outcome = reconsider(run, View(labelled_to=LABELLED_AT))
    assert outcome is not None
    assert (outcome.event.decision, outcome.run.state, outcome.event.time) == ("run", "running", LABELLED_AT)
    assert outcome.event.wait_until == WAIT_UNTIL
    assert outcome.event.id != run_for_event_id()


def run_for_event_id() -> str:
    outcome = decide(incident(), DEFINITION, View())
    assert outcome is not None
    return outcome.event.id


def test_a_waiting_run_is_skipped_when_another_champion_serves() -> None:
    outcome = reconsider(run_for(), View(was_replaced=True, labelled_to=LABELLED_AT))
    assert outcome is not None
    assert outcome.event.decision == "skip"


def test_a_champion_that_cant_be_read_is_skipped_once() -> None:
    outcome = unusable(incident(), View(), "no such bundle")
    assert outcome is not None
    assert (outcome.event.decision, outcome.event.reason) == ("skip", "no such bundle")
    assert outcome.event.wait_until is None
    assert unusable(incident(), View([outcome.run]), "no such bundle") is None
