"""Binary tensors, in and out, through `/v2/models/{model}/infer`."""

import json
import math
from typing import Any

import numpy as np
import pytest

from services.inference.domain.binary import read_binary, write_binary
from services.inference.models.loaded import LoadedModel
from shared.features import MISSING
from tests.unit.inference.harness import Service
from tests.unit.inference.wire import KINDS, LENGTH, Sent, body_of, outputs_of, packed, sent

INFER = "/v2/models/small/infer"
BLOCK = "/v2/models/block/infer"
BOTH = {"parameters": {"binary_data_output": True}}


def expected(model: LoadedModel, *rows: list[float]) -> list[float]:
    """The probabilities of these rows, one row after the other, in the fewest digits that say which float32 it is."""
    return [float(str(value)) for value in model.run(np.array(rows, dtype=np.float32))["probabilities"].ravel()]


def columns(temp: list[Any], wind: list[Any], carrier: list[str], datatype: str = "FP32") -> tuple[Sent, ...]:
    return sent("temp", temp, datatype), sent("wind", wind), sent("carrier", carrier, "BYTES")


@pytest.mark.parametrize("datatype", [*KINDS])
@pytest.mark.parametrize("binary", [True, False])
async def test_a_column_may_have_every_datatype(
    service: Service, small: LoadedModel, datatype: str, binary: bool
) -> None:
    values: list[Any] = [True, False] if datatype == "BOOL" else [71, 20]
    temp = sent("temp", values, datatype)
    told = {"name": "temp", "datatype": datatype, "shape": [2], "data": values}
    body, headers = body_of(temp if binary else told, *columns([], [3, 4], ["UA", "DL"])[1:])
    answer = await service.client.post(INFER, content=body, headers=headers)
    assert outputs_of(answer)["probabilities"] == expected(small, [values[0], 3, 2], [values[1], 4, 1])


@pytest.mark.parametrize("padding", range(4))
async def test_a_block_is_read_wherever_it_begins(service: Service, block: LoadedModel, padding: int) -> None:
    rows = [[70.0, 3.0, 1.0], [20.0, math.nan, 0.5]]
    features = sent("features", [value for row in rows for value in row], "FP32", [2, 3])
    body, headers = body_of(features, id="x" * (1 + padding))
    answer = await service.client.post(BLOCK, content=body, headers=headers)
    assert outputs_of(answer)["probabilities"] == expected(block, *rows)
    np.testing.assert_array_equal(service.logged()[0].rows.numeric, np.array(rows, dtype=np.float32))


async def test_nan_and_empty_text_are_missing(service: Service, small: LoadedModel) -> None:
    nan = math.nan
    body, headers = body_of(*columns([nan, 50], [10, nan], ["AA", ""]))
    answer = await service.client.post(INFER, content=body, headers=headers)
    assert outputs_of(answer)["probabilities"] == expected(small, [nan, 10, 0], [50, nan, nan])
    logged = service.logged()[0].rows
    assert logged.categorical.ravel().tolist() == [0, MISSING]


async def test_json_and_binary_may_be_mixed_and_null_and_nan_with_them(service: Service, small: LoadedModel) -> None:
    wind = {"name": "wind", "datatype": "FP16", "shape": [2], "data": [None, 0.1]}
    temp, _, carrier = columns([math.nan, 50], [], ["AA", "DL"], "FP64")
    body, headers = body_of(temp, wind, carrier)
    answer = await service.client.post(INFER, content=body, headers=headers)
    rounded = float(np.float16(0.1))
    assert outputs_of(answer)["probabilities"] == expected(small, [math.nan, math.nan, 0], [50, rounded, 1])


async def test_times_and_entities_may_be_binary(service: Service) -> None:
    times = sent("event_time", ["2013-03-15T16:00:00Z", "2013-03-15T12:00:01-04:00"], "BYTES")
    body, headers = body_of(*columns([1, 2], [3, 4], ["AA", "AA"]), times, sent("entity", ["N1", "Æ"], "BYTES"))
    assert (await service.client.post(INFER, content=body, headers=headers)).status_code == 200
    (batch,) = service.logged()
    assert batch.entity == ["N1", "Æ"]
    assert batch.event_time.astype(str).tolist() == ["2013-03-15T16:00:00.000000", "2013-03-15T16:00:01.000000"]


@pytest.mark.parametrize(
    ("asked", "in_binary"),
    [
        ({}, set[str]()),
        (BOTH, {"label", "probabilities"}),
        (
            {"outputs": [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]},
            {"probabilities"},
        ),
        (
            BOTH | {"outputs": [{"name": "probabilities"}, {"name": "label", "parameters": {"binary_data": False}}]},
            {"probabilities"},
        ),
        (BOTH | {"outputs": [{"name": "label", "parameters": {"binary_data": False}}]}, set[str]()),
    ],
)
async def test_each_output_comes_in_the_form_asked_for(
    service: Service, asked: dict[str, Any], in_binary: set[str]
) -> None:
    body, headers = body_of(*columns([50, 60], [10, 20], ["AA", "DL"]))
    plain = outputs_of(await service.client.post(INFER, content=body, headers=headers))
    body, headers = body_of(*columns([50, 60], [10, 20], ["AA", "DL"]), **asked)
    answer = await service.client.post(INFER, content=body, headers=headers)
    names = [output["name"] for output in asked.get("outputs", [{"name": "label"}, {"name": "probabilities"}])]
    found = outputs_of(answer)
    for name in names:
        assert np.array(found[name], np.float32).tolist() == np.array(plain[name], np.float32).tolist()
    assert list(found) == names
    kind = "application/octet-stream" if in_binary else "application/json"
    assert answer.headers["content-type"] == kind
    assert (LENGTH in answer.headers) == bool(in_binary)
    told = json.loads(answer.content[: int(answer.headers.get(LENGTH, len(answer.content)))])
    assert {output["name"] for output in told["outputs"] if "parameters" in output} == in_binary


async def test_binary_outputs_keep_what_is_no_number(
    service: Service, small: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"label": np.array([0]), "probabilities": np.array([[np.nan, np.inf]], dtype=np.float32)}
    monkeypatch.setattr(small, "run", lambda _: outputs)
    body, headers = body_of(*columns([1], [2], ["AA"]), **BOTH)
    answer = await service.client.post(INFER, content=body, headers=headers)
    np.testing.assert_array_equal(outputs_of(answer)["probabilities"], [math.nan, math.inf])


async def test_parameters_of_other_servers_are_taken_and_the_answer_tells_them(service: Service) -> None:
    temp, wind, carrier = columns([1], [2], ["AA"])
    temp.told["parameters"]["content_type"] = "np"
    asked = {"parameters": {"priority": 1, "timeout": 5, "event_time": "2013-03-15T16:00:00Z"}}
    body, headers = body_of(temp, wind, carrier, model_name="small", model_version=None, **asked)
    answer = await service.client.post(INFER, content=body, headers=headers)
    assert answer.json()["parameters"] == {"ignored": "priority, timeout"}
    assert service.logged()[0].event_time.astype(str).tolist() == ["2013-03-15T16:00:00.000000"]


@pytest.mark.parametrize("datatype", [*KINDS])
def test_every_datatype_is_written_as_it_is_read(datatype: str) -> None:
    values: list[Any] = [True, False, True] if datatype == "BOOL" else [1, 0, 100]
    content = packed(values, datatype)
    found = read_binary(memoryview(content), datatype, (3,), "inputs[0]")
    assert isinstance(found, np.ndarray)
    assert found.tolist() == values
    assert np.shares_memory(found, np.frombuffer(content, np.uint8))
    assert write_binary(found, datatype) == content
    assert write_binary(found.astype(found.dtype.newbyteorder(">")), datatype) == content


def test_text_is_written_as_it_is_read() -> None:
    texts = ["", "AA", "naïve\n\x00"]
    content = packed(texts, "BYTES")
    assert read_binary(memoryview(content), "BYTES", (3, 1), "inputs[0]") == texts
    assert write_binary(np.array(texts, dtype=object), "BYTES") == content
