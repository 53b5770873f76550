"""The detector, windows and incidents and all, on the real flights of 2013."""

from benchmarks.flight_faults import DEFINITION, run
from models.flight_delays.data import read_flights
from shared.definition import read_definition


def test_a_feed_that_changes_its_unit_is_named_in_its_first_hour_and_nothing_before() -> None:
    rows = run(read_flights(), read_definition(DEFINITION))
    assert [row for row in rows if not row.met] == []
    assert len(rows) == 5
