"""The search on the real flights of 2013: the airport whose thermometer reads °C from a noon on, and no other slice."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from benchmarks.flight_faults import DEFINITION, LIVE, NEW_YORK, START, between
from models.flight_delays.data import read_flights
from services.drift_detection.domain.explain.search import search
from services.drift_detection.domain.explain.sides import Side, Sides
from shared.definition import read_definition
from shared.events import DriftedFeature
from shared.features import Rows, stack_rows
from shared.reference import Reference, build_reference

TOLD = read_definition(DEFINITION)
NOONS = [datetime(2013, 3, 5, 12, tzinfo=NEW_YORK) + timedelta(days=2 * number) for number in range(20)]
AROUND = timedelta(days=3)
TEMP = DriftedFeature(name="temp", rule="shift", statistic=9, threshold=5, evidence=9, effect=-20)


class Flights:
    """Those of two months as a reference, and any span of the next."""

    def __init__(self) -> None:
        self._all = read_flights()
        self.origins: tuple[str, ...] = tuple(sorted(set(self._all["origin"].to_pylist())))
        known = between(self._all, START, LIVE)
        self._categories = {name: tuple(sorted(set(known[name].to_pylist()))) for name in TOLD.categorical}
        rows = self._rows(known)
        times = known["event_time"].cast(pa.timestamp("us")).to_numpy()
        self.reference: Reference = build_reference(rows, times, scores(rows), TOLD, self._categories)

    def span(self, start: datetime, end: datetime) -> Rows:
        """In order of event time."""
        return self._rows(between(self._all, start, end).sort_by("event_time"))

    def _rows(self, flights: pa.Table) -> Rows:
        columns = {name: flights[name].to_numpy().astype(np.float32) for name in TOLD.numeric}
        columns |= {name: flights[name].to_pylist() for name in TOLD.categorical}
        return stack_rows(columns, TOLD, self._categories)


def scores(rows: Rows) -> NDArray[np.float32]:
    return np.full((len(rows), 1), 0.5, np.float32)


@pytest.fixture(scope="module")
def flights() -> Flights:
    return Flights()


def named(flights: Flights, noon: datetime, airports: Sequence[str]) -> list[str]:
    """What is named where the airports' temperature comes in °C from that noon on."""
    before, after = flights.span(noon - AROUND, noon), flights.span(noon, noon + AROUND)
    origin, temp = TOLD.categorical.index("origin"), TOLD.numeric.index("temp")
    codes = [flights.reference.categorical[origin].categories.index(name) for name in airports]
    hit = np.isin(after.categorical[:, origin], codes)
    after.numeric[hit, temp] = (after.numeric[hit, temp] - 32) / np.float32(1.8)
    sides = Sides(Side(before, scores(before)), Side(after, scores(after)))
    answer = search([TEMP], sides, flights.reference)
    assert answer.looked_at > 20
    return [found.one.name for found in answer.found["temp"]]


def test_the_airport_whose_unit_changed_is_named_alone(flights: Flights) -> None:
    right = [named(flights, noon, ["JFK"]) == ["origin=JFK"] for noon in NOONS]
    assert sum(right) >= 0.95 * len(NOONS)


def test_where_all_airports_change_their_unit_no_slice_is_named(flights: Flights) -> None:
    none = [not named(flights, noon, flights.origins) for noon in NOONS]
    assert sum(none) >= 0.95 * len(NOONS)


def test_no_slice_is_named_for_the_weather(flights: Flights) -> None:
    none = [not named(flights, noon, []) for noon in NOONS]
    assert sum(none) >= 0.95 * len(NOONS)
