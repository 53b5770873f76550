"""What `/v1/models/{model}/predict` answers to rows of named features."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel, load
from shared.bundle import open_bundle
from shared.features import MISSING, UNSEEN
from tests.bundles import definition_text, make_bundle
from tests.unit.inference.harness import Service

PREDICT = "/v1/models/small/predict"
ROW = {"temp": 50.0, "wind": 10, "carrier": "AA"}
TIME = "2013-03-15T16:00:00Z"


def column(name: str, values: list[Any], datatype: str = "FP32") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


async def test_rows_are_answered_as_the_protocol_answers_their_columns(service: Service, small: LoadedModel) -> None:
    rows = [ROW, ROW | {"temp": None, "carrier": "DL"}, ROW | {"carrier": None}, ROW | {"carrier": "XX"}]
    answer = await service.client.post(PREDICT, json={"id": "a-1", "rows": rows})
    inputs = [column(name, [row[name] for row in rows]) for name in ("temp", "wind")]
    inputs.append(column("carrier", [row["carrier"] for row in rows], "BYTES"))
    same = (await service.client.post("/v2/models/small/infer", json={"inputs": inputs})).json()["outputs"]
    labels, flat = same[0]["data"], same[1]["data"]
    assert answer.json() == {
        "model": "small",
        "version": small.digest,
        "id": "a-1",
        "predictions": [{"label": labels[at], "probabilities": flat[2 * at : 2 * at + 2]} for at in range(len(rows))],
    }
    (batch,) = service.logged()
    assert batch.rows.categorical.ravel().tolist() == [0, 1, MISSING, UNSEEN] * 2
    assert batch.scores[:4].tolist() == batch.scores[4:].tolist()


async def test_a_numeric_model_takes_rows_too_and_one_value_stands_alone(service: Service, state: Path) -> None:
    text = definition_text("line", graph="small_regression")
    digest = make_bundle(state, text, "small_regression")
    service.catalogue.publish(Served(load(open_bundle(state / "bundles", digest, state / "trust")), "champion", 1))
    (found,) = (await service.client.post("/v1/models/line/predict", json={"rows": [ROW]})).json()["predictions"]
    assert isinstance(found["prediction"], float)
    row = {"temp": 1, "wind": 2, "pressure": 3}
    assert (await service.client.post("/v1/models/block/predict", json={"rows": [row]})).status_code == 200


async def test_time_and_entity_are_said_in_each_row_or_once_for_all(service: Service) -> None:
    rows = [ROW | {"event_time": TIME, "entity": "N1"}, ROW | {"event_time": "2013-03-15T16:00:01Z"}]
    assert (await service.client.post(PREDICT, json={"rows": rows})).status_code == 200
    for_all = {"rows": [ROW, ROW], "event_time": TIME, "entity": "N2"}
    assert (await service.client.post(PREDICT, json=for_all)).status_code == 200
    (batch,) = service.logged()
    assert batch.entity == ["N1", None, "N2", "N2"]
    assert [text[17:19] for text in batch.event_time.astype(str)] == ["00", "01", "00", "00"]


def rows(*changed: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"rows": [ROW | each for each in changed]} | fields


WRONG: list[tuple[Any, str]] = [
    (b"", "body"),
    ([], "body"),
    ({}, "rows"),
    ({"rows": []}, "rows"),
    ({"rows": {}}, "rows"),
    ({"rows": [ROW] * 5_001}, "rows"),
    ({"rows": [ROW, 1]}, "rows[1]"),
    ({"rows": [ROW, {"temp": 1, "wind": 2}]}, "rows[1].carrier"),
    (b'{"rows": [{"temp": 1, "temp": 2, "wind": 1, "carrier": "AA"}]}', "temp"),
    (rows({}, {"tmep": 1}), "rows[1].tmep"),
    (rows({}, {"temp": "50"}), "rows[1].temp"),
    (rows({}, {"temp": True}), "rows[1].temp"),
    (rows({}, {"temp": [1]}), "rows[1].temp"),
    (rows({}, {"temp": float("nan")}), "rows[1].temp"),
    (rows({}, {}, {"wind": float("-inf")}), "rows[2].wind"),
    (rows({}, {"temp": 1e39}), "rows[1].temp"),
    (rows({}, {"temp": 10**400}), "rows[1].temp"),
    (json.dumps(rows({}, {"temp": 77777})).replace("77777", "1e400").encode(), "rows[1].temp"),
    (rows({}, {"carrier": 5}), "rows[1].carrier"),
    (json.dumps(rows({"carrier": "\ud800"})).encode(), "body"),
    (rows({}, row=1), "row"),
    (rows({}, id=""), "id"),
    (rows({}, id=5), "id"),
    (rows({}, event_time="yesterday"), "event_time"),
    (rows({}, event_time=5), "event_time"),
    (rows({}, entity=""), "entity"),
    (rows({"event_time": TIME}, {}), "rows[1].event_time"),
    (rows({"event_time": TIME}, {"event_time": "soon"}), "rows[1].event_time"),
    (rows({}, {"event_time": TIME}, event_time=TIME), "rows[1].event_time"),
    (rows({}, {"entity": 5}), "rows[1].entity"),
    (rows({}, {"entity": "x" * 257}), "rows[1].entity"),
]


@pytest.mark.parametrize(("body", "named"), WRONG, ids=[f"{n}-{named}" for n, (_, named) in enumerate(WRONG)])
async def test_what_is_wrong_is_named_by_row_and_feature(service: Service, body: Any, named: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await service.client.post(PREDICT, content=content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["field"] == named
    assert service.logged() == []


async def test_a_compressed_body_and_an_unknown_model_are_refused(service: Service) -> None:
    answer = await service.client.post(PREDICT, content=b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (415, "Content-Encoding")
    assert (await service.client.post("/v1/models/nobody/predict", json={"rows": [ROW]})).status_code == 404


@pytest.mark.parametrize(("role", "status"), [("client", 200), ("viewer", 403), (None, 401)])
async def test_only_clients_may_predict(service: Service, state: Path, role: str | None, status: int) -> None:
    token = f"Bearer {(state / 'tokens' / f'{role}.jwt').read_text()}" if role else ""
    answer = await service.client.post(PREDICT, json={"rows": [ROW]}, headers={"Authorization": token})
    assert answer.status_code == status


async def test_the_openapi_document_has_a_path_for_each_model_that_serves(service: Service) -> None:
    before = (await service.client.get("/openapi.json")).json()["paths"]
    post = before["/v1/models/small/predict"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    row = schema["properties"]["rows"]["items"]
    assert row["required"] == ["temp", "wind", "carrier"]
    assert row["properties"]["temp"]["type"] == ["number", "null"]
    assert row["properties"]["temp"]["description"] == "in F; null if missing"
    assert row["properties"]["carrier"]["type"] == ["string", "null"]
    assert schema["properties"]["rows"]["maxItems"] == 5_000
    answer = post["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["predictions"]["items"]
    assert answer["properties"] == {"label": {"type": ["number", "null"]}, "probabilities": {"type": "array"}}
    assert post["operationId"] == "predict_small"
    assert post["security"] == [{"HTTPBearer": []}]
    assert "/v1/models/block/predict" in before
    assert before["/v1/models/{model}/predict"]["post"]["parameters"][0]["name"] == "model"


async def test_the_openapi_document_follows_what_serves(service: Service, state: Path) -> None:
    path = "/v1/models/late/predict"
    assert path not in (await service.client.get("/openapi.json")).json()["paths"]
    digest = make_bundle(state, definition_text("late"))
    service.catalogue.publish(Served(load(open_bundle(state / "bundles", digest, state / "trust")), "champion", 1))
    assert path in (await service.client.get("/openapi.json")).json()["paths"]
