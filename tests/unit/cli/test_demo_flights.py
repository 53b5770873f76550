"""The demo's flights become requests and labels in the order of event time."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from cli.demo.flights import between, ticks, uuid7
from shared.definition import ModelDefinition, parse_definition

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)

DEFINITION = """
name = "small"
owner = "tests"
label = { name = "late", kind = "binary", expected_delay_hours = 6 }
features = [{ name = "temp", kind = "numeric" }, { name = "carrier", kind = "categorical" }]
"""


def definition() -> ModelDefinition:
    return parse_definition(DEFINITION)


def flights() -> pa.Table:
    minutes = [0, 59, 61, 200]
    landed = [150, 70, None, 500]
    utc = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "event_time": pa.array([NOON + timedelta(minutes=minute) for minute in minutes], utc),
            "entity": ["N1", None, "N3", "N4"],
            "temp": pa.array([39.02, None, 41.0, 42.0], pa.float32()),
            "carrier": ["UA", "AA", None, "B6"],
            "label": [1.0, 0.0, None, 0.0],
            "label_time": pa.array([minute and NOON + timedelta(minutes=minute) for minute in landed], utc),
        }
    )


def test_flights_stand_in_the_hour_they_depart_and_labels_in_the_hour_they_land() -> None:
    hours = ticks(flights(), definition())
    assert [hour.start for hour in hours] == [NOON + timedelta(hours=count) for count in (0, 1, 2, 3, 8)]
    assert [len(hour.flights) for hour in hours] == [2, 1, 0, 1, 0]
    assert [[label["value"] for label in hour.labels] for hour in hours] == [[], [0.0], [1.0], [], [0.0]]


def test_a_flight_that_never_landed_gets_no_label() -> None:
    hours = ticks(flights(), definition())
    assert sum(len(hour.labels) for hour in hours) == 3


def test_a_request_holds_every_feature_and_null_for_what_is_missing() -> None:
    flight = ticks(flights(), definition())[0].flights[1]
    request = json.loads(flight.body)
    assert request["id"] == flight.request_id
    assert request["parameters"] == {"event_time": "2013-03-01T12:59:00Z"}
    assert [(part["name"], part["datatype"], part["data"]) for part in request["inputs"]] == [
        ("temp", "FP32", [None]),
        ("carrier", "BYTES", ["AA"]),
    ]


def test_the_same_flight_has_the_same_id_and_it_tells_its_time() -> None:
    first, again = uuid7(NOON, "m", 1), uuid7(NOON, "m", 1)
    assert first == again != uuid7(NOON, "m", 2)
    parsed = uuid.UUID(first)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == int(NOON.timestamp() * 1000)


def test_between_takes_the_start_and_leaves_the_end() -> None:
    taken = between(flights(), NOON + timedelta(minutes=59), NOON + timedelta(minutes=200))
    assert taken["entity"].to_pylist() == [None, "N3"]
