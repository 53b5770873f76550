"""The in-process scorer: same code, same bits as REST, and what is wrong is named by column and row."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from services.inference import Scorer
from services.inference.models.loaded import LoadedModel, load
from shared.bundle import open_bundle
from shared.errors import InvalidInput
from shared.features import Float32
from tests.bundles import definition_text, make_bundle
from tests.unit.inference.harness import Service
from tests.unit.inference.test_probe import CENTRED

ROWS = 1_000


def table(rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(5)
    temp, wind = random.normal(50, 20, rows), random.normal(10, 6, rows).astype(np.float32)
    carriers = [("AA", "DL", "UA", "ZZ", "", None)[code] for code in random.integers(0, 6, rows)]
    missing = random.random(rows) < 0.1
    return pa.table(
        {"id": np.arange(rows), "temp": pa.array(temp, mask=missing), "wind": pa.array(wind), "carrier": carriers}
    )


async def by_rest(service: Service, rows: pa.Table) -> Float32:
    columns = (("temp", "FP32"), ("wind", "FP32"), ("carrier", "BYTES"))
    found: list[float] = []
    sizes = (1, 2, 3, 17, 64)
    start = 0
    while start < len(rows):
        part = rows[start : start + sizes[start % len(sizes)]]
        inputs = [
            {"name": name, "datatype": kind, "shape": [len(part)], "data": part[name].to_pylist()}
            for name, kind in columns
        ]
        answer = await service.client.post("/v2/models/small/infer", content=orjson.dumps({"inputs": inputs}))
        assert answer.status_code == 200, answer.text
        outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
        found += outputs["probabilities"][1::2]
        start += len(part)
    return np.array(found, dtype=np.float32).reshape(-1, 1)


async def test_rest_and_the_scorer_give_the_same_bits(service: Service, small: LoadedModel) -> None:
    scored = Scorer(small).score(table())
    assert scored.scores.tobytes() == (await by_rest(service, table())).tobytes()
    assert scored.outputs["probabilities"].shape == (ROWS, 2)


def test_a_bundle_is_opened_verified(state: Path) -> None:
    digest = make_bundle(state)
    scorer = Scorer.open(state / "bundles", digest, state / "trust")
    assert scorer.score({"temp": [1.5, None], "wind": np.ones(2), "carrier": ["DL", None]}).scores.shape == (2, 1)
    with pytest.raises(InvalidInput, match="no trusted key"):
        Scorer.open(state / "bundles", digest, state / "nowhere")


def test_no_rows_have_no_scores(small: LoadedModel) -> None:
    scored = Scorer(small).score(table(0))
    assert (scored.scores.shape, scored.outputs["probabilities"].shape) == ((0, 1), (0, 2))


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"temp": None}, "temp", "one column"),
        ({"temp": ["warm", "cold"]}, "temp", "column of numbers"),
        ({"carrier": [1, 2]}, "carrier", "column of strings"),
        ({"wind": [1.0, float("inf")]}, "wind", "row 11"),
        ({"temp": [1e300, 1.0]}, "temp", "row 10"),
        ({"temp": [1.0]}, "", "same length"),
        ({"temp": [1.0, "x"]}, "temp", "one type"),
    ],
)
def test_what_is_wrong_is_named(small: LoadedModel, changed: dict[str, Any], field: str, told: str) -> None:
    columns: dict[str, Any] = {"temp": [1.0, 2.0], "wind": [1.0, 2.0], "carrier": ["AA", "DL"], **changed}
    with pytest.raises(InvalidInput, match=told) as raised:
        Scorer(small).score({name: values for name, values in columns.items() if values is not None}, first=10)
    assert raised.value.field == field


def test_rows_of_a_model_that_looks_at_others_are_run_alone(state: Path) -> None:
    text = definition_text("centred", numeric=True, graph="small_regression")
    model = load(open_bundle(state / "bundles", make_bundle(state, text, onnx=CENTRED), state / "trust"))
    columns = {"temp": np.arange(5.0), "wind": np.ones(5), "pressure": np.ones(5)}
    alone = [Scorer(model).score({name: values[at : at + 1] for name, values in columns.items()}) for at in range(5)]
    together = Scorer(model).score(columns)
    assert together.scores.tolist() == [each.scores[0].tolist() for each in alone]


def test_dictionaries_of_strings_and_decimals_are_taken(small: LoadedModel) -> None:
    plain = {"temp": [1.5, 2.5], "wind": [3, None], "carrier": ["DL", "UA"]}
    other = {
        "temp": pa.array([1.5, 2.5]).cast(pa.decimal128(5, 2)),
        "wind": pa.array([3, None], pa.uint8()),
        "carrier": pa.array(["DL", "UA"]).dictionary_encode(),
    }
    assert Scorer(small).score(other).scores.tobytes() == Scorer(small).score(plain).scores.tobytes()
