"""A first run shows whether rows of several requests may go together, and whether a division may fail."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from services.inference.domain.onnx_file import check_file
from services.inference.models.probe import Inputs, probe, trial_rows
from services.inference.models.session import check_divisors, open_session
from shared.errors import InvalidInput
from tests.bundles import DATA
from tests.unit.inference.hostile import divided
from tests.unit.inference.onnx_writer import GOOD, INT64, ONE, attribute, node, regression, summing, tensor

INPUTS = Inputs((0, 0, 3), 500)

MEAN = node("ReduceMean", ["features", "rows"], ["mean"], attribute("keepdims", 1))
CENTRED = regression(MEAN, node("Sub", ["features", "mean"], ["x"]), summing("x"), tensors=[ONE, tensor("rows", [0])])
CUMULATED = regression(
    node("CumSum", ["features", "zero"], ["x"]), summing("x"), tensors=[ONE, tensor("zero", [0], [])]
)
LAST_ROW = regression(
    node("Slice", ["features", "last", "end"], ["x"]),
    node("Add", ["features", "x"], ["y"]),
    summing("y"),
    tensors=[ONE, tensor("last", [-1]), tensor("end", [2**60])],
)
# Codes of the third feature, a category of three, look up a number: an unseen category has none
EMBEDDED = regression(
    node("Gather", ["features", "third"], ["code"], attribute("axis", 1)),
    node("Cast", ["code"], ["at"], attribute("to", INT64)),
    node("Gather", ["table", "at"], ["prediction"]),
    tensors=[tensor("third", [2]), tensor("table", [0.5, 1.5, 2.5])],
)


def stackable(model: bytes, inputs: Inputs = INPUTS) -> bool:
    return probe(open_session(model), inputs).stackable


@pytest.mark.parametrize("path", sorted(DATA.glob("*.onnx")), ids=lambda path: path.name)
def test_a_graph_that_answers_each_row_by_itself_is_stackable(path: Path) -> None:
    assert stackable(path.read_bytes())
    assert stackable(GOOD)


@pytest.mark.parametrize("model", [CENTRED, CUMULATED, LAST_ROW], ids=["centred", "cumulated", "last row"])
def test_a_graph_that_looks_at_other_rows_is_not_stackable(model: bytes) -> None:
    assert not stackable(model)


def test_a_graph_that_fails_for_some_row_is_not_stackable_for_it_would_fail_all() -> None:
    assert not stackable(EMBEDDED)


def test_what_is_seen_only_in_many_rows_is_found() -> None:
    late = regression(
        node("CumSum", ["features", "zero"], ["all"]),
        node("Slice", ["features", "first", "tenth"], ["head"]),
        node("Slice", ["all", "tenth", "end"], ["tail"]),
        node("Concat", ["head", "tail"], ["x"], attribute("axis", 0)),
        summing("x"),
        tensors=[ONE, tensor("zero", [0], []), tensor("first", [0]), tensor("tenth", [10]), tensor("end", [2**60])],
    )
    assert stackable(late, INPUTS._replace(max_rows=10))
    assert not stackable(late)


def test_rows_are_tried_with_missing_values_and_with_codes_that_exist() -> None:
    rows = trial_rows((0, 0, 3))
    assert not rows[0].any()
    assert np.isnan(rows[-1]).all()
    assert set(rows[:-1, 2]) <= {0, 1, 2}


@pytest.mark.parametrize("divisor", ["features", "scale", "prediction"])
def test_floating_point_numbers_may_be_divided_by_whatever_there_is(divisor: str) -> None:
    first = summing() if divisor == "prediction" else summing("x")
    model = regression(node("Div", ["features", divisor], ["x"]), first, tensors=[ONE, tensor("scale", [2.0])])
    assert check_file(model).names == {divisor}
    check_divisors(model, check_file(model), 3)


@pytest.mark.parametrize(("divisor", "is_allowed"), [(2, True), (-1, False)])
def test_integers_may_be_divided_by_a_fixed_number_that_can_not_fail(divisor: int, is_allowed: bool) -> None:
    model = divided(INT64, tensor("i", [divisor]))
    with nullcontext() if is_allowed else pytest.raises(InvalidInput, match="division"):
        check_divisors(model, check_file(model), 3)
