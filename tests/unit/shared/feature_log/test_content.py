"""The digest of rows is one of their values: nothing else changes it, and each of their values does."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from shared.feature_log.proof.content import digest

ROWS = pa.table(
    {
        "id": pa.array([b"a", b"bb", None, b""], pa.binary()),
        "role": pa.array(["champion"] * 4),
        "score": pa.array([[0.5], [0.25, 1.0], [], None], pa.list_(pa.float32())),
        "flags": pa.array([["wind:above_limit"], None, None, []], pa.list_(pa.string())),
        "wind": pa.array([1.5, None, -0.0, float("nan")], pa.float32()),
        "day": pa.array([date(2013, 3, 1)] * 3 + [None]),
        "time": pa.array([datetime(2013, 3, 1, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
        "repeat": pa.array([False, True, None, False]),
        "row": pa.array([0, 1, 2, 3], pa.int32()),
        "more": pa.array([{"a": 1}, None, {"a": None}, {"a": 2}]),
    }
)


def test_it_is_the_same_for_ever() -> None:
    assert digest(ROWS).hex() == "e5b31aa34e7876fbe6af4916c478feb6bcf6513cbf66fe500528c56b7452624f"


def test_chunks_columns_of_nulls_their_order_and_encodings_change_nothing() -> None:
    pieces = pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1, 0), ROWS.slice(1, 3)])
    wider = ROWS.append_column("gust", pa.nulls(4, pa.float32())).select(["gust", *reversed(ROWS.column_names)])
    encoded = ROWS.set_column(1, "role", ROWS.column("role").dictionary_encode())
    other_nan = ROWS.column("wind").to_numpy().copy()
    other_nan.view(np.uint32)[3] ^= 1
    nan = ROWS.set_column(4, "wind", pa.array(other_nan, mask=np.array([False, True, False, False])))
    assert {digest(each) for each in (ROWS, pieces, wider, encoded, nan)} == {digest(ROWS)}


@pytest.mark.parametrize("name", ROWS.column_names)
def test_every_value_and_its_place_counts(name: str) -> None:
    position, column = ROWS.column_names.index(name), ROWS.column(name).combine_chunks()
    changed = [column.take(pa.array([1, 0, 2, 3])), column.take(pa.array([0, 1, 2, None]))]
    if name in {"role", "time"}:  # all values are equal
        changed = changed[1:]
    assert all(
        digest(ROWS.set_column(position, name, each)) != digest(ROWS) for each in changed if not each.equals(column)
    )
    assert digest(ROWS.rename_columns([f"{each}{'x' * (each == name)}" for each in ROWS.column_names])) != digest(ROWS)


def test_a_value_is_not_taken_for_its_neighbours() -> None:
    def of(*texts: str | None) -> bytes:
        return digest(pa.table({"text": pa.array(texts, pa.string())}))

    several = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc", ""),
        ("abc", None),
        ("", "abc"),
        ("ab", "c", ""),
        ("a", "a"),
        ("a", "a", "a"),
    ]
    assert len({of(*texts) for texts in several}) == len(several)
