"""Does the search name the slice that a fault was planted in, and none where all rows changed alike?"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.explain.search import search
from services.drift_detection.domain.explain.sides import Side, Sides
from shared.definition import parse_definition
from shared.events import DriftedFeature
from shared.features import Rows
from shared.reference import Reference, build_reference
from shared.reference.panes import moment

AIRPORTS, CARRIERS = ("EWR", "JFK", "LGA"), ("AA", "B6", "UA")
ROWS = 3_000
SEEDS = range(40)
DEFINITION = parse_definition("""
name = "flights"
owner = "tests"
features = [
    { name = "temp", kind = "numeric" },
    { name = "dewp", kind = "numeric" },
    { name = "origin", kind = "categorical" },
    { name = "carrier", kind = "categorical" },
]
label = { name = "late", kind = "binary", expected_delay_hours = 1 }
""")
Change = Callable[[Rows], NDArray[np.float32]]


def rows_of(random: np.random.Generator, count: int) -> Rows:
    """Weather by airport that drifts slowly for all; carriers that prefer an airport; dew points that follow it."""
    origin = random.integers(0, 3, count)
    carrier = np.where(random.random(count) < 0.6, origin, random.integers(0, 3, count))
    weather = 50 + 6 * np.sin(np.arange(count) / count * 7 + random.random() * 6)
    temp = weather + 2 * origin + random.normal(0, 4, count)
    dewp = temp - 12 + random.normal(0, 3, count)
    numeric = np.stack([temp, dewp], axis=1).astype(np.float32)
    return Rows(numeric, np.stack([origin, carrier], axis=1).astype(np.int32))


@pytest.fixture(scope="module")
def reference() -> Reference:
    rows = rows_of(np.random.default_rng(0), 20_000)
    times = np.datetime64("2026-01-01", "us") + np.arange(len(rows)) * np.timedelta64(60, "s")
    return build_reference(
        rows, times, np.zeros((len(rows), 1), np.float32), DEFINITION, {"origin": AIRPORTS, "carrier": CARRIERS}
    )


def named(reference: Reference, seed: int, change: Change) -> list[str]:
    """The slices that are named when the later half of the temperatures is changed."""
    random = np.random.default_rng(1_000 + seed)
    both = rows_of(random, 2 * ROWS)
    both.numeric[ROWS:, 0] = change(both[ROWS:])
    parts = (both[:ROWS], both[ROWS:])
    sides = Sides(*(Side(part, np.zeros((len(part), 1), np.float32)) for part in parts))
    answer = search([told("temp", "shift")], sides, reference)
    assert answer.looked_at > 0
    return [found.one.name for found in answer.found["temp"]]


def told(name: str, rule: str) -> DriftedFeature:
    return DriftedFeature.model_validate(
        {"name": name, "rule": rule, "statistic": 9, "threshold": 5, "evidence": 9, "effect": 1, "onset": moment(0)}
    )


def at_jfk(rows: Rows) -> NDArray[np.float32]:
    """There in °C from now on."""
    celsius = (rows.numeric[:, 0] - 32) / np.float32(1.8)
    return np.where(rows.categorical[:, 0] == 1, celsius, rows.numeric[:, 0])


def by_carrier(rows: Rows) -> NDArray[np.float32]:
    return rows.numeric[:, 0] + np.where(rows.categorical[:, 1] == 2, np.float32(8), np.float32(0))


def all_higher(rows: Rows) -> NDArray[np.float32]:
    return rows.numeric[:, 0] + np.float32(8)


def all_in_celsius(rows: Rows) -> NDArray[np.float32]:
    return (rows.numeric[:, 0] - 32) / np.float32(1.8)


def unchanged(rows: Rows) -> NDArray[np.float32]:
    return rows.numeric[:, 0]


@pytest.mark.parametrize(("change", "where"), [(at_jfk, "origin=JFK"), (by_carrier, "carrier=UA")])
def test_the_slice_that_changed_is_the_one_that_is_named(reference: Reference, change: Change, where: str) -> None:
    right = sum(named(reference, seed, change) == [where] for seed in SEEDS)
    assert right >= 0.95 * len(SEEDS)


@pytest.mark.parametrize("change", [all_higher, all_in_celsius, unchanged])
def test_where_all_rows_change_alike_no_slice_is_named(reference: Reference, change: Change) -> None:
    none = sum(not named(reference, seed, change) for seed in SEEDS)
    assert none >= 0.95 * len(SEEDS)


@pytest.mark.parametrize("rule", ["missing", "zeros", "range"])
def test_a_share_that_grows_at_one_airport_is_found_there(reference: Reference, rule: str) -> None:
    random = np.random.default_rng(5)
    both = rows_of(random, 2 * ROWS)
    hit = (both.categorical[ROWS:, 0] == 0) & (random.random(ROWS) < 0.3)
    both.numeric[ROWS:, 0][hit] = {"missing": np.nan, "zeros": 0.0, "range": 900.0}[rule]
    sides = Sides(*(Side(part, np.zeros((ROWS, 1), np.float32)) for part in (both[:ROWS], both[ROWS:])))
    [found] = search([told("temp", rule)], sides, reference).found["temp"]
    assert found.one.name == "origin=EWR"
    assert 0.25 < found.contrast.inside < 0.35
    assert abs(found.contrast.outside) < 0.02
    assert found.p < 1e-6


def test_more_of_one_carrier_at_one_airport_is_found_there(reference: Reference) -> None:
    random = np.random.default_rng(6)
    both = rows_of(random, 2 * ROWS)
    hit = (both.categorical[ROWS:, 0] == 2) & (random.random(ROWS) < 0.5)
    both.categorical[ROWS:, 1][hit] = 0
    sides = Sides(*(Side(part, np.zeros((ROWS, 1), np.float32)) for part in (both[:ROWS], both[ROWS:])))
    recent = [0.5 if level == "AA" else 0.1 for level in reference.categorical[1].levels]
    feature = told("carrier", "mix").model_copy(
        update={"expected": tuple([0.3] * len(recent)), "recent": tuple(recent)}
    )
    assert [found.one.name for found in search([feature], sides, reference).found["carrier"]] == ["origin=LGA"]


def test_too_few_rows_name_nothing(reference: Reference) -> None:
    rows = rows_of(np.random.default_rng(1), 60)
    side = Side(rows, np.zeros((60, 1), np.float32))
    answer = search([told("temp", "shift")], Sides(side, side), reference)
    assert (answer.looked_at, answer.found) == (0, {"temp": []})
