"""Whatever is posted, the answer is 4xx and names what is wrong, never 5xx."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.inference.harness import Service

INFER = "/v2/models/small/infer"
BLOCK = "/v2/models/block/infer"
LABELS = "/v1/models/small/labels"

TEMP = {"name": "temp", "datatype": "FP32", "shape": [1], "data": [50.0]}
WIND = {"name": "wind", "datatype": "FP32", "shape": [1], "data": [10.0]}
CARRIER = {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["AA"]}
GOOD = {
    "id": "r1",
    "parameters": {"event_time": "2013-03-15T12:00:00Z", "entity": "N1"},
    "inputs": [TEMP, WIND, CARRIER],
    "outputs": [{"name": "probabilities"}],
}


def with_temp(**changed: Any) -> dict[str, Any]:
    return GOOD | {"inputs": [TEMP | changed, WIND, CARRIER]}


def with_extra(**tensor: Any) -> dict[str, Any]:
    return GOOD | {"parameters": {}, "inputs": [TEMP, WIND, CARRIER, tensor]}


# A body and what the error has to name.
BODIES: list[tuple[Any, str]] = [
    (b"", "body"),
    (b"{", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"text"', "body"),
    (b"\xff\xfe", "body"),
    (b"[" * 100_000, "body"),
    (b'{"inputs": [%b1]}' % (b"[]," * 250_000), "objects and arrays"),
    (b'{"inputs": NaN}', "inputs"),
    (b'{"id": "\\ud800", "inputs": []}', "body"),
    (b'{"id": "a", "id" : "b", "inputs": []}', "id"),
    (b'{"inputs": [], "parameters": {"event_time": "x", "event\\u005ftime": "y"}}', "event_time"),
    (b'{"inputs": [{"name": "temp", "shape": [1], "shape": [2]}]}', "shape"),
    ({}, "inputs"),
    (GOOD | {"inputs": []}, "inputs"),
    (GOOD | {"inputs": {}}, "inputs"),
    (GOOD | {"inputs": [1]}, "inputs[0]"),
    (GOOD | {"extra": 1}, "extra"),
    (GOOD | {"id": 7}, "id"),
    (GOOD | {"id": ""}, "id"),
    (GOOD | {"id": "x" * 257}, "id"),
    (GOOD | {"parameters": []}, "parameters"),
    (GOOD | {"parameters": {"event_tme": "2013-03-15T12:00:00Z"}}, "parameters.event_tme"),
    (GOOD | {"parameters": {"eventTime": "2013-03-15T12:00:00Z"}}, "parameters.eventTime"),
    (GOOD | {"parameters": {"entity_id": "N1"}}, "parameters.entity_id"),
    (GOOD | {"parameters": {"binary_data": True}}, "parameters.binary_data"),
    (GOOD | {"parameters": {"shared_memory_region": "r"}}, "parameters.shared_memory_region"),
    (GOOD | {"parameters": {f"p{number}": 1 for number in range(65)}}, "parameters"),
    (GOOD | {"parameters": {"x" * 257: 1}}, "parameters"),
    (GOOD | {"parameters": {"event_time": 1363363200}}, "parameters.event_time"),
    (GOOD | {"parameters": {"event_time": "yesterday"}}, "parameters.event_time"),
    (GOOD | {"parameters": {"event_time": "2013-03-15T12:00:00"}}, "parameters.event_time"),
    (GOOD | {"parameters": {"event_time": "2013-02-30T12:00:00Z"}}, "parameters.event_time"),
    (GOOD | {"parameters": {"event_time": "1969-12-31T23:59:59Z"}}, "parameters.event_time"),
    (GOOD | {"parameters": {"entity": 5}}, "parameters.entity"),
    (GOOD | {"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output"),
    (GOOD | {"outputs": "all"}, "outputs"),
    (GOOD | {"outputs": [{"name": "wings"}]}, "outputs[0].name"),
    (GOOD | {"outputs": [{"name": "label"}, {"name": "label"}]}, "outputs[1].name"),
    (GOOD | {"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, "outputs[0].parameters.binary_data"),
    (GOOD | {"outputs": [{"name": "label", "parameters": {"classification": 3}}]}, "parameters.classification"),
    (GOOD | {"inputs": [TEMP, WIND]}, "carrier"),
    (GOOD | {"inputs": [TEMP, WIND, CARRIER, TEMP]}, "inputs[3].name"),
    (with_extra(name="speed", datatype="FP32", shape=[1], data=[1]), "'speed'"),
    (with_extra(name="event_time", datatype="FP32", shape=[1], data=[1]), "inputs[3].datatype"),
    (with_extra(name="event_time", datatype="BYTES", shape=[1], data=[None]), "inputs[3].data[0]"),
    (with_extra(name="event_time", datatype="BYTES", shape=[2], data=["", ""]), "inputs[3].shape"),
    (with_extra(name="entity", datatype="BYTES", shape=[1], data=["x" * 257]), "inputs[3].data[0]"),
    (
        GOOD | {"inputs": [TEMP, WIND, CARRIER, CARRIER | {"name": "event_time"}]},
        "parameters.event_time",
    ),
    (with_temp(name=""), "inputs[0].name"),
    (with_temp(name=None), "inputs[0].name"),
    (with_temp(unit="F"), "inputs[0].unit"),
    (with_temp(parameters={"binary_data_size": 4}), "inputs[0].data"),
    (with_temp(parameters={"binary_data_size": 4}, data=None), "Inference-Header-Content-Length"),
    (with_temp(parameters={"shared_memory_region": "r"}, data=None), "inputs[0].parameters.shared_memory_region"),
    (with_temp(parameters={"event_time": "2013-03-15T12:00:00Z"}), "inputs[0].parameters.event_time"),
    (GOOD | {"inputs": [{"name": "temp"}, WIND, CARRIER]}, "inputs[0].data"),
    (with_temp(datatype="FP31"), "inputs[0].datatype"),
    (with_temp(datatype=["FP32"]), "inputs[0].datatype"),
    (with_temp(datatype="BYTES", data=["50"]), "inputs[0].datatype"),
    (GOOD | {"inputs": [TEMP, WIND, CARRIER | {"datatype": "INT32", "data": [1]}]}, "inputs[2].datatype"),
    (GOOD | {"inputs": [TEMP, WIND, CARRIER | {"data": [1]}]}, "inputs[2].data[0]"),
    (with_temp(shape=1), "inputs[0].shape"),
    (with_temp(shape=[]), "inputs[0].shape"),
    (with_temp(shape=[0], data=[]), "inputs[0].shape"),
    (with_temp(shape=[-1]), "inputs[0].shape"),
    (with_temp(shape=[1.0]), "inputs[0].shape"),
    (with_temp(shape=[True]), "inputs[0].shape"),
    (with_temp(shape=[1, 1, 1]), "inputs[0].shape"),
    (with_temp(shape=[2]), "inputs[0].data"),
    (with_temp(shape=[1, 2], data=[1, 2]), "inputs[0].shape"),
    (with_temp(shape=[2**63 - 1]), "inputs[0].data"),
    (with_temp(shape=[2**63 - 1, 2**63 - 1]), "inputs[0].data"),
    (with_temp(shape=[10**30]), "inputs[0].shape"),
    (with_temp(shape=[10**4000, 10**4000]), "inputs[0].shape"),
    (with_temp(shape=[2], data=[1, 2]), "shape"),
    (with_temp(data=50), "inputs[0].data"),
    (with_temp(data={"0": 50}), "inputs[0].data"),
    (with_temp(shape=[1, 1], data=[[1, 2]]), "inputs[0].data[0]"),
    (json.dumps(with_temp(data=[{"a": 1}])).replace('"a": 1', '"a" :1, "a": 2').encode(), "inputs[0].data[0]"),
    (json.dumps(with_temp(shape=[1, 1], data=[[{"a": 1}]])).replace('"a"', '"a" ').encode(), "inputs[0].data[0]"),
    (with_temp(shape=[1, 1], data=[[[1]]]), "inputs[0].data[0]"),
    (with_temp(shape=[1, 1], data=[[1], [2]]), "inputs[0].data"),
    (with_temp(data=["50"]), "inputs[0].data[0]"),
    (with_temp(data=[True]), "inputs[0].data[0]"),
    (with_temp(data=[float("nan")]), "inputs[0].data[0]"),
    (with_temp(data=[float("inf")]), "inputs[0].data[0]"),
    (with_temp(data=[-float("inf")]), "inputs[0].data[0]"),
    (json.dumps(with_temp(data=[77777])).replace("77777", "1e400").encode(), "inputs[0].data[0]"),
    (with_temp(data=[1e39]), "inputs[0].data[0]"),
    (with_temp(data=[10**400]), "inputs[0].data[0]"),
    (with_temp(data=None), "inputs[0].data"),
    (with_temp(datatype="FP16", data=[65505]), "inputs[0].data[0]"),
    (with_temp(datatype="FP16", data=[float("nan")]), "inputs[0].data[0]"),
    (with_temp(datatype="BOOL", data=[1]), "inputs[0].data[0]"),
    (with_temp(datatype="BF16"), "inputs[0].datatype"),
    (with_temp(datatype="INT32", data=[1.5]), "inputs[0].data[0]"),
    (with_temp(datatype="INT8", data=[128]), "inputs[0].data[0]"),
    (with_temp(datatype="UINT8", data=[-1]), "inputs[0].data[0]"),
]


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(("body", "named"), BODIES, ids=[f"{n}-{named}" for n, (_, named) in enumerate(BODIES)])
async def test_infer_names_what_is_wrong(service: Service, body: Any, named: str) -> None:
    answer = await service.client.post(INFER, content=encoded(body))
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert isinstance(error, str)
    assert named in error
    assert service.logged() == []


BLOCKS: list[tuple[dict[str, Any], str]] = [
    ({"datatype": "FP64"}, "inputs[0].datatype"),
    ({"shape": [3]}, "inputs[0].shape"),
    ({"shape": [1, 4], "data": [1, 2, 3, 4]}, "inputs[0].shape"),
    ({"shape": [51, 3], "data": [1] * 153}, "at most 50 rows"),
    ({"data": [1, float("nan"), 3]}, "inputs[0].data[1]"),
]


@pytest.mark.parametrize(("changed", "named"), BLOCKS)
async def test_a_block_names_what_is_wrong(service: Service, changed: dict[str, Any], named: str) -> None:
    block = {"name": "features", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]} | changed
    answer = await service.client.post(BLOCK, content=encoded({"inputs": [block]}))
    assert answer.status_code == 400
    assert named in answer.json()["error"]


async def test_too_many_rows_are_refused(service: Service) -> None:
    count = 5_001
    columns = [tensor | {"shape": [count], "data": tensor["data"] * count} for tensor in (TEMP, WIND, CARRIER)]  # type: ignore[operator]
    answer = await service.client.post(INFER, json={"inputs": columns})
    assert (answer.status_code, "at most 5000 rows" in answer.text) == (400, True)


@pytest.mark.parametrize("path", ["/v2/models/nobody/infer", "/v2/models/nobody", "/v1/models/nobody/labels"])
async def test_an_unknown_model_is_not_found(service: Service, path: str) -> None:
    answer = await service.client.request("POST" if path.endswith(("infer", "labels")) else "GET", path, content=b"{}")
    assert answer.status_code == 404
    assert "nobody" in answer.text


@pytest.mark.parametrize("path", [INFER, LABELS])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_of_20_mb_is_refused(service: Service, path: str, chunked: bool) -> None:
    body = b"[" + b" " * 20 * 2**20 + b"]"

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await service.client.post(path, content=chunks() if chunked else body)
    assert answer.status_code == 413
    assert "body" in answer.text


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/models", "/nothing"])
async def test_an_unknown_route_is_not_found(service: Service, path: str) -> None:
    answer = await service.client.get(path)
    assert answer.status_code == 404
    assert isinstance(answer.json()["error"], str if path.startswith("/v2") else dict)


async def test_another_method_is_refused(service: Service) -> None:
    assert (await service.client.get(INFER)).status_code == 405
