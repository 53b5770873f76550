import numpy as np
import pytest

from shared.definition import ModelDefinition, parse_definition
from shared.errors import InvalidInput, Unreadable
from shared.features import (
    MISSING,
    UNSEEN,
    Rows,
    decode_categories,
    encode_categories,
    model_input,
    stack_rows,
)

ORIGINS = ("EWR", "JFK", "LGA")
DEFINITION = """
name = "flights"
owner = "ops"
label = { name = "late", kind = "binary", expected_delay_hours = 1 }
features = [
    { name = "temp", kind = "numeric" },
    { name = "origin", kind = "categorical" },
    { name = "wind", kind = "numeric" },
]
"""


def definition() -> ModelDefinition:
    return parse_definition(DEFINITION)


def test_a_category_becomes_its_place_in_the_list_and_comes_back() -> None:
    codes = encode_categories(["LGA", "EWR", "", None, "ORD"], ORIGINS)
    assert codes.tolist() == [2, 0, MISSING, MISSING, UNSEEN]
    assert codes.dtype == np.int32
    assert decode_categories(codes, ORIGINS) == ["LGA", "EWR", None, None, None]


def test_a_code_beyond_the_list_is_unreadable_and_not_another_category() -> None:
    with pytest.raises(Unreadable, match="code 3"):
        decode_categories(np.array([0, 3], np.int32), ORIGINS)


def test_no_rows_have_no_categories() -> None:
    assert decode_categories(encode_categories([], ORIGINS), ORIGINS) == []


def test_rows_are_stacked_in_the_definitions_order_whatever_the_order_of_the_columns() -> None:
    temperatures = np.array([1.5, np.nan], np.float32)
    columns = {"wind": [3.0, None], "origin": ["JFK", None], "temp": temperatures}
    rows = stack_rows(columns, definition(), {"origin": ORIGINS})  # type: ignore[arg-type]  # columns of many types
    np.testing.assert_array_equal(rows.numeric, np.array([[1.5, 3.0], [np.nan, np.nan]], np.float32), strict=True)
    np.testing.assert_array_equal(rows.categorical, np.array([[1], [MISSING]], np.int32), strict=True)


GOOD = {"temp": [1.0, 2.0], "origin": ["EWR", "JFK"], "wind": [1, 2]}


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("wind", [1.0]),  # numpy would repeat it
        ("wind", [1.0, 2.0, 3.0]),
        ("origin", ["EWR"]),
        ("temp", [1.0, float("inf")]),
        ("temp", [1.0, 1e300]),
        ("temp", np.array([1.0, -1e39])),
        ("temp", ["1.0", "2.0"]),
        ("temp", [True, False]),
        ("temp", np.array([True, False])),
        ("temp", [[1.0, 2.0], [3.0, 4.0]]),
        ("temp", [{}, {}]),
        ("temp", [10**400, 1]),
    ],
)
def test_a_column_that_does_not_fit_is_named(feature: str, values: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        stack_rows({**GOOD, feature: values}, definition(), {"origin": ORIGINS})  # type: ignore[dict-item]
    assert raised.value.field == feature


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInput, match="wind"):
        stack_rows({"temp": [1.0], "origin": ["EWR"]}, definition(), {"origin": ORIGINS})


def test_the_models_tensor_has_all_features_in_order_with_codes_for_categories() -> None:
    numeric = np.array([[1.0, 3.0], [np.nan, 4.0], [5.0, 6.0]], np.float32)
    tensor = model_input(Rows(numeric, np.array([[2], [UNSEEN], [MISSING]], np.int32)), definition())
    wanted = np.array([[1.0, 2.0, 3.0], [np.nan, np.nan, 4.0], [5.0, np.nan, 6.0]], np.float32)
    np.testing.assert_array_equal(tensor, wanted, strict=True)


def test_rows_are_sliced_together() -> None:
    rows = Rows(np.arange(8, dtype=np.float32).reshape(4, 2), np.arange(4, dtype=np.int32).reshape(4, 1))
    part = rows[np.array([False, True, False, True])]
    assert len(rows) == 4
    assert len(part) == 2
    assert part.numeric.tolist() == [[2.0, 3.0], [6.0, 7.0]]
    assert part.categorical.tolist() == [[1], [3]]
