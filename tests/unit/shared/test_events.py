from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from shared.events import EVENT_TYPES, LabelItem, LabelsReceived, stable_id

NOON = datetime(2013, 3, 15, 16, tzinfo=UTC)


def label(**changed: object) -> LabelItem:
    known: dict[str, object] = {"request_id": "r1", "value": 1.0, "event_time": NOON}
    return LabelItem.model_validate(known | changed)


@pytest.mark.parametrize(
    "time",
    ["2013-03-15T16:00:00Z", "2013-03-15 16:00:00+00:00", "2013-03-15T16:00:00.000000-00:00", NOON],
)
def test_a_time_in_utc_is_taken(time: object) -> None:
    assert label(event_time=time).event_time == NOON


@pytest.mark.parametrize(
    "time",
    [
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=1))),
        NOON.astimezone(ZoneInfo("America/New_York")),
        "2013-03-15T16:00:00",
        "2013-03-15T16:00:00+01:00",
        "2013-03-15",
        "2013-03-15T16:00",
        "2013-02-30T16:00:00Z",
        "2013-03-15T24:00:00Z",
        "20130315T160000Z",
        "1363363200",
        1363363200,
        1363363200.0,
        True,
        None,
        "٢٠١٣-03-15T16:00:00Z",
    ],
)
def test_any_other_time_is_refused(time: object) -> None:
    with pytest.raises(ValidationError, match="event_time"):
        label(event_time=time)


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), -float("inf"), [1.0], 10**400])
def test_a_labels_value_is_a_finite_number_and_nothing_like_one(value: object) -> None:
    with pytest.raises(ValidationError, match="value"):
        label(value=value)


@pytest.mark.parametrize("row", [True, "1", 1.0, -1, 2**31])
def test_a_labels_row_is_a_whole_number_within_int32(row: object) -> None:
    with pytest.raises(ValidationError, match="row"):
        label(row=row)


@pytest.mark.parametrize(
    "changed",
    [{"colour": 1}, {"request_id": ""}, {"request_id": "x" * 257}, {"kind": "guess"}, {"request_id": "\ud800"}],
)
def test_what_the_contract_does_not_know_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        label(**changed)


def test_an_event_does_not_change_after_it_was_made() -> None:
    event = LabelsReceived(id=stable_id(1), time=NOON, model="flights", labels=(label(),))
    with pytest.raises(ValidationError, match="frozen"):
        event.model = "trains"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("count", [0, 1_001])
def test_labels_come_by_one_to_a_thousand(count: int) -> None:
    with pytest.raises(ValidationError, match="labels"):
        LabelsReceived(id=stable_id(1), time=NOON, model="flights", labels=(label(),) * count)


@pytest.mark.parametrize("model", ["", "Flights", "a/b", "../flights", "flights\n", "x" * 64])
def test_a_models_name_can_be_a_path_and_a_table(model: str) -> None:
    with pytest.raises(ValidationError, match="model"):
        LabelsReceived(id=stable_id(1), time=NOON, model=model, labels=(label(),))


def test_the_same_cause_has_the_same_id_and_another_has_another() -> None:
    assert stable_id("a" * 64, "champion", 3) == stable_id("a" * 64, "champion", 3)
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert stable_id(1, 2) == "095017f4ff17aff8b757bee2644bca44"


def test_every_event_is_known_by_its_class_name_which_is_its_type() -> None:
    for name, kind in EVENT_TYPES.items():
        assert kind.model_fields["type"].default == name == kind.__name__
        assert kind.topic.startswith("driftline.")
