"""A row's outputs are the same to the bit, whatever number of rows runs beside it."""

from pathlib import Path

import numpy as np
import pytest

from services.inference.models.loaded import LoadedModel, load
from services.inference.models.trial import Limits, understood
from shared.bundle import open_bundle
from shared.errors import InvalidInput
from tests.bundles import definition_text, make_bundle
from tests.unit.inference.onnx_writer import ONE, node, regression, summing

# Computed in full vectors of the CPU in one way, and number by number in another for what is left over
SOFTPLUS = regression(
    node("Softplus", ["features"], ["soft"]),
    node("Softplus", ["soft"], ["softer"]),
    summing("softer"),
    tensors=[ONE],
)


@pytest.fixture(scope="module")
def soft(state: Path) -> LoadedModel:
    text = definition_text("soft", numeric=True, graph="small_regression")
    return load(open_bundle(state / "bundles", make_bundle(state, text, onnx=SOFTPLUS), state / "trust"))


def test_a_model_whose_kernel_depends_on_the_number_of_rows_gives_the_same_bits(soft: LoadedModel) -> None:
    assert (soft.stackable, soft.multiple >= 1) == (True, True)
    rows = np.random.default_rng(1).normal(0, 3, (500, 3)).astype(np.float32)
    expected = soft.run(rows)["prediction"]
    for count in (1, 2, 3, 7, 8, 33, 499):
        for start in range(0, 500 - count, 61):
            outputs = soft.run(rows[start : start + count])["prediction"]
            assert outputs.tobytes() == expected[start : start + count].tobytes(), (count, start)


def test_trees_need_no_rows_beside_them(small: LoadedModel) -> None:
    assert small.multiple == 1


def test_a_first_run_that_tells_another_multiple_is_refused() -> None:
    with pytest.raises(InvalidInput, match="makes sense"):
        understood(b'{"stackable": true, "bytes": 1, "multiple": 3}', Limits())
