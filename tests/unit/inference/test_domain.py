"""The parts of a request that have rules of their own."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from services.inference.domain.context import entities, event_times
from services.inference.domain.encoder import Encoder
from services.inference.domain.recent import RecentIds
from services.inference.domain.tensor import Tensor, read_tensor
from services.inference.domain.uuid7 import NewIds, uuid7, uuid_text
from shared.definition import parse_definition
from shared.errors import InvalidInput
from shared.features import model_input

MIXED = """
name = "mixed"
owner = "tests"
features = [
  { name = "origin", kind = "categorical" },
  { name = "temp", kind = "numeric" },
  { name = "carrier", kind = "categorical" },
  { name = "wind", kind = "numeric" },
]
label = { name = "late", kind = "binary", expected_delay_hours = 1 }
"""
CATEGORIES = {"origin": ("EWR", "JFK", "LGA"), "carrier": ("AA", "DL")}


def tensor(name: str, values: list[Any], datatype: str = "FP32") -> Tensor:
    return read_tensor({"name": name, "datatype": datatype, "shape": [len(values)], "data": values}, "inputs[0]")


def test_the_graph_gets_the_features_in_the_definition_s_order() -> None:
    definition = parse_definition(MIXED)
    columns: dict[str, list[Any]] = {
        "carrier": ["DL", "ZZ", None, ""],
        "origin": ["LGA", "EWR", "JFK", "nowhere"],
        "wind": [1.0, None, 3.0, 4.0],
        "temp": [10, 20, 30, None],
    }
    kinds = {"carrier": "BYTES", "origin": "BYTES"}
    inputs = {name: tensor(name, values, kinds.get(name, "FP64")) for name, values in columns.items()}
    encoded = Encoder(definition, CATEGORIES).encode(inputs)
    nan = float("nan")
    expected = [[2, 10, 1, 1], [0, 20, nan, nan], [1, 30, nan, 3], [nan, nan, nan, 4]]
    np.testing.assert_array_equal(encoded.tensor, np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(encoded.tensor, model_input(encoded.rows, definition))
    assert encoded.rows.categorical.tolist() == [[2, 1], [0, -1], [1, -2], [-1, -2]]


def test_a_reference_without_a_feature_s_categories_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"reference\.json: the categories of 'carrier'"):
        Encoder(parse_definition(MIXED), {"origin": ("EWR",)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-03-15T16:00:00Z", "2013-03-15T16:00:00.000000"),
        ("2013-03-15t12:00:00.25-04:00", "2013-03-15T16:00:00.250000"),
        ("2013-03-15 21:30:00+05:30", "2013-03-15T16:00:00.000000"),
        ("2013-03-15T16:00:00.123456789z", "2013-03-15T16:00:00.123456"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000"),
    ],
)
def test_times_are_read_as_rfc_3339_writes_them(text: str, expected: str) -> None:
    assert event_times(text, 2, 0).astype(str).tolist() == [expected, expected]


@pytest.mark.parametrize(
    "text",
    [
        "2013-03-15",
        "2013-03-15T16:00Z",
        "20130315T160000Z",
        "2013-03-15T16:00:00",
        "2013-W11-5T16:00:00Z",
        "2013-03-15T24:00:01Z",
        "2013-03-15T16:00:60Z",
        "1969-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-23:59",
        "٢٠١٣-03-15T16:00:00Z",
        "",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    column = Tensor("inputs[4]", "event_time", "BYTES", (1,), [text])
    with pytest.raises(InvalidInput, match=r"inputs\[4\]\.data\[0\]: a time"):
        event_times(column, 1, 0)


def test_rows_of_31_days_are_taken_and_of_more_refused_where_the_next_day_begins() -> None:
    texts = [f"2013-03-{day:02}T12:00:00Z" for day in range(1, 32)] * 2
    column = Tensor("inputs[4]", "event_time", "BYTES", (62,), list(texts))
    assert len(event_times(column, 62, 0)) == 62
    more = Tensor("rows", "event_time", "BYTES", (63,), [*texts, "2013-04-01T00:00:00Z"], by_row=True)
    with pytest.raises(InvalidInput, match=r"rows\[62\]\.event_time: rows of at most 31 different days"):
        event_times(more, 63, 0)


def test_one_entity_holds_for_all_rows() -> None:
    assert entities("N1", 3) == ["N1"] * 3
    assert entities(None, 2) == [None, None]


def test_a_uuid7_holds_its_time_and_its_random_bits() -> None:
    chance = random.Random(3)  # noqa: S311  # repeatable, not secret
    for _ in range(200):
        milliseconds, bits = chance.getrandbits(48), chance.randbytes(10)
        key = uuid7(milliseconds, bits)
        made = uuid.UUID(bytes=key)
        assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, milliseconds)
        assert str(made) == uuid_text(key)
    early = uuid7(int(datetime(2013, 3, 15, tzinfo=UTC).timestamp() * 1000), bytes(10))
    assert early < uuid7(int(datetime(2013, 3, 16, tzinfo=UTC).timestamp() * 1000), bytes(10))


def test_new_ids_are_uuids_of_their_time_and_all_different() -> None:
    ids = NewIds()
    given = [ids.next(number // 100) for number in range(2_000)]
    made = [uuid.UUID(text) for _, text in given]
    assert [each.bytes for each in made] == [key for key, _ in given]
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert [each.int >> 80 for each in made] == [number // 100 for number in range(2_000)]
    assert len({each.int & 2**80 - 1 for each in made}) == 2_000


def test_recent_ids_remembers_the_latest_and_stays_within_its_bound() -> None:
    recent = RecentIds(1_000)
    keys = [number.to_bytes(16, "big") for number in range(10_000)]
    assert [recent.seen(key, 1) for key in keys] == [0] * 10_000
    assert [recent.seen(key, 2) for key in keys[-500:]] == [1] * 500
    assert recent.seen(keys[-1], 1) == 2
    assert recent.seen(keys[0], 1) == 0
    assert len(recent) <= 1_000
