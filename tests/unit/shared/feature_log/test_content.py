"""The digest of rows is one of their values: nothing else changes it, and each of their values does."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

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


def _with_nulls(values: pa.Array, valid: NDArray[np.bool_]) -> pa.Array:
    """Some of the values as nulls: the bytes of all stay where they are."""
    if pa.types.is_dictionary(values.type):
        return pa.DictionaryArray.from_arrays(_with_nulls(values.indices, valid), values.dictionary)
    bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    if pa.types.is_list(values.type):
        buffers, children = [bits, values.buffers()[1]], [values.values]
    else:
        buffers, children = [bits, *values.buffers()[1:]], None
    return pa.Array.from_buffers(values.type, len(values), buffers, children=children)


def _every_kind(numbers: NDArray[np.int64], valid: NDArray[np.bool_], lists: NDArray[np.bool_]) -> pa.Table:
    """A column of each type and lists of it with an item each; `valid`: which are no nulls, `lists`: which lists."""
    whole = pa.array(numbers)
    text = whole.cast(pa.string())
    plain = [
        *(whole.cast(kind) for kind in (pa.int32(), pa.int64(), pa.float64(), pa.timestamp("us", "UTC"))),
        *(text.cast(kind) for kind in (pa.string(), pa.binary(), pa.large_string(), pa.string_view())),
        whole.cast(pa.int32()).cast(pa.date32()),
        pa.array(numbers > 2),
        pa.array(numbers / 8, pa.float32()),
        whole.cast(pa.decimal128(25, 2)),
        text.dictionary_encode(),
    ]
    columns, ends = [_with_nulls(each, valid) for each in plain], pa.array(range(len(numbers) + 1), pa.int32())
    for each in columns[:]:
        once = _with_nulls(pa.ListArray.from_arrays(ends, each), lists)
        columns += [once, _with_nulls(pa.ListArray.from_arrays(ends, once), valid)]
    return pa.table(columns, [f"{number} {each.type}" for number, each in enumerate(columns)])


@pytest.mark.parametrize("seed", range(8))
def test_what_lies_in_the_memory_of_nulls_changes_nothing(seed: int) -> None:
    draws = np.random.default_rng(seed)
    count = int(draws.integers(8, 40))
    valid, lists = draws.random((2, count)) < 0.5
    values, other = draws.integers(0, 5, (2, count)) // 3
    alike = [_every_kind(np.where(valid, values, dirt), valid, lists) for dirt in (values, other, np.arange(count))]
    cut = int(draws.integers(1, count))
    alike += [pa.concat_tables([each.slice(0, cut), each.slice(cut)]) for each in alike]
    for name in alike[0].column_names:
        assert len({repr(each.column(name).to_pylist()) for each in alike}) == 1
        assert len({digest(each.select([name])) for each in alike}) == 1, name
