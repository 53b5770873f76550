"""What `/v2/models/{model}/infer` answers, and what of it is logged."""

import hashlib
import json
import time
import uuid
from typing import Any

import numpy as np
import pytest

from services.inference.models.loaded import LoadedModel
from shared.features import MISSING, UNSEEN
from tests.unit.inference.harness import Service

INFER = "/v2/models/small/infer"
BLOCK = "/v2/models/block/infer"


def column(name: str, values: list[Any], datatype: str = "FP32") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def inputs(temp: Any = 50.0, wind: Any = 10.0, carrier: Any = "AA") -> list[dict[str, Any]]:
    return [column("temp", [temp]), column("wind", [wind]), column("carrier", [carrier], "BYTES")]


def block_of(*rows: list[Any]) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    return {"name": "features", "datatype": "FP32", "shape": [len(rows), 3], "data": flat}


def expected(model: LoadedModel, *rows: list[float]) -> list[float]:
    """The probabilities of these rows, one row after the other, in the fewest digits that say which float32 it is."""
    return [float(str(value)) for value in model.run(np.array(rows, dtype=np.float32))["probabilities"].ravel()]


async def test_an_answer_has_the_form_of_the_protocol(service: Service, small: LoadedModel) -> None:
    answer = await service.client.post(INFER, json={"id": "a-1", "inputs": inputs()})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    probabilities = expected(small, [50, 10, 0])
    assert answer.json() == {
        "model_name": "small",
        "model_version": small.digest,
        "id": "a-1",
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [1], "data": [int(probabilities[1] > 0.5)]},
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "data": probabilities},
        ],
    }


@pytest.mark.parametrize("shape", [[2], [2, 1]])
async def test_a_column_may_be_flat_or_nested(service: Service, small: LoadedModel, shape: list[int]) -> None:
    def tensor(name: str, values: list[Any], datatype: str) -> dict[str, Any]:
        data = values if len(shape) == 1 else [[value] for value in values]
        return {"name": name, "datatype": datatype, "shape": shape, "data": data}

    body = {
        "inputs": [
            tensor("wind", [3, 4], "INT8"),
            tensor("carrier", ["UA", "DL"], "BYTES"),
            tensor("temp", [70.5, 20], "FP64"),
        ]
    }
    answer = (await service.client.post(INFER, json=body)).json()
    assert answer["outputs"][1]["data"] == expected(small, [70.5, 3, 2], [20, 4, 1])


@pytest.mark.parametrize("nested", [True, False])
async def test_a_numeric_model_takes_one_block(service: Service, block: LoadedModel, nested: bool) -> None:
    rows = [[70.0, 3.0, 1.0], [20.0, 4.0, 0.5]]
    tensor = block_of(*rows) | ({"data": rows} if nested else {})
    answer = (await service.client.post(BLOCK, json={"inputs": [tensor]})).json()
    assert answer["outputs"][1]["data"] == expected(block, *rows)
    assert answer["outputs"][1]["shape"] == [2, 2]


async def test_a_numeric_model_takes_named_columns_too(service: Service, block: LoadedModel) -> None:
    body = {"inputs": [column("pressure", [1.0]), column("temp", [70.0]), column("wind", [3.0])]}
    answer = (await service.client.post(BLOCK, json=body)).json()
    assert answer["outputs"][1]["data"] == expected(block, [70, 3, 1])


async def test_only_the_outputs_asked_for_are_answered_in_their_order(service: Service) -> None:
    asked = [{"name": "probabilities", "parameters": {"binary_data": False}}, {"name": "label"}]
    both = (await service.client.post(INFER, json={"inputs": inputs(), "outputs": asked})).json()
    assert [output["name"] for output in both["outputs"]] == ["probabilities", "label"]
    one = (await service.client.post(INFER, json={"inputs": inputs(), "outputs": asked[1:]})).json()
    assert [output["name"] for output in one["outputs"]] == ["label"]


async def test_the_served_version_answers_and_another_is_not_found(service: Service, small: LoadedModel) -> None:
    path = "/v2/models/small/versions/{}/infer"
    assert (await service.client.post(path.format(small.digest), json={"inputs": inputs()})).status_code == 200
    unknown = await service.client.post(path.format("0" * 64), json={"inputs": inputs()})
    assert unknown.status_code == 404
    assert "version" in unknown.json()["error"]


async def test_missing_and_unseen_values_reach_the_model_as_nan_and_the_log_as_what_they_are(
    service: Service, small: LoadedModel
) -> None:
    body = {
        "inputs": [
            column("temp", [None, 50.0, 50.0, 50.0]),
            column("wind", [10, 10, None, 10]),
            column("carrier", ["AA", "XX", None, ""], "BYTES"),
        ]
    }
    answer = (await service.client.post(INFER, json=body)).json()
    nan = float("nan")
    rows = [[nan, 10, 0], [50, 10, nan], [50, nan, nan], [50, 10, nan]]
    assert answer["outputs"][1]["data"] == expected(small, *rows)
    logged = service.logged()[0].rows
    assert logged.categorical[:, 0].tolist() == [0, UNSEEN, MISSING, MISSING]
    np.testing.assert_array_equal(
        logged.numeric, np.array([[nan, 10], [50, 10], [50, nan], [50, 10]], dtype=np.float32)
    )


TWO_ROWS = {
    "id": "flight-7",
    "inputs": [
        column("temp", [50.0, 61.5]),
        column("wind", [10.0, 3.0]),
        column("carrier", ["DL", "UA"], "BYTES"),
        column("event_time", ["2013-03-15T12:00:00-04:00", "2013-03-15T16:00:00.123456Z"], "BYTES"),
        column("entity", ["N1", None], "BYTES"),
    ],
}


async def test_the_log_tells_which_model_answered_and_in_which_role(service: Service, small: LoadedModel) -> None:
    await service.client.post(INFER, json=TWO_ROWS)
    (batch,) = service.logged()
    meta = batch.meta
    assert (meta.model, meta.digest, meta.role) == ("small", small.digest, "champion")
    assert (meta.sequence, meta.rows_so_far) == (0, 2)
    assert meta.definition_digest == small.definition.digest


async def test_what_was_answered_is_logged_exactly(service: Service) -> None:
    answer = (await service.client.post(INFER, json=TWO_ROWS)).json()
    (batch,) = service.logged()
    assert batch.request_id == [hashlib.sha256(b"small\0flight-7").digest()[:16]] * 2
    assert batch.row.tolist() == [0, 1]
    assert batch.entity == ["N1", None]
    assert batch.event_time.astype(str).tolist() == ["2013-03-15T16:00:00.000000", "2013-03-15T16:00:00.123456"]
    assert batch.scores.ravel().tolist() == np.array(answer["outputs"][1]["data"][1::2], np.float32).tolist()
    assert batch.rows.numeric.tolist() == [[50.0, 10.0], [61.5, 3.0]]
    assert batch.rows.categorical.tolist() == [[1], [2]]
    assert not batch.repeat.any()
    assert (batch.latency_us > 0).all()


async def test_parameters_hold_for_all_rows(service: Service) -> None:
    body = {
        "parameters": {"event_time": "2013-03-15T16:00:00Z", "entity": "N1", "binary_data_output": False},
        "inputs": [column("temp", [1, 2]), column("wind", [1, 2]), column("carrier", ["AA", "AA"], "BYTES")],
    }
    await service.client.post(INFER, json=body)
    (batch,) = service.logged()
    assert batch.entity == ["N1", "N1"]
    assert set(batch.event_time.astype(str)) == {"2013-03-15T16:00:00.000000"}


async def test_without_an_id_a_uuid_of_the_event_time_is_made(service: Service) -> None:
    body = {"parameters": {"event_time": "2013-03-15T16:00:00.250Z"}, "inputs": inputs()}
    answer = (await service.client.post(INFER, json=body)).json()
    made = uuid.UUID(answer["id"])
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_363_363_200_250
    assert service.logged()[0].request_id == [made.bytes]


async def test_without_an_event_time_the_time_of_receipt_counts(service: Service) -> None:
    before = time.time()
    await service.client.post(INFER, json={"inputs": inputs()})
    logged = service.logged()[0].event_time[0].astype("int64") / 1e6
    assert before - 0.001 <= logged <= time.time()


async def test_a_uuid_as_id_is_kept_as_its_bytes(service: Service) -> None:
    sent = str(uuid.uuid4())
    answer = await service.client.post(INFER, json={"id": sent, "inputs": inputs()})
    assert answer.json()["id"] == sent
    assert service.logged()[0].request_id == [uuid.UUID(sent).bytes]


async def test_a_request_that_comes_again_is_answered_and_marked_as_repeat(service: Service) -> None:
    one = {"id": "again", "inputs": inputs()}
    two = {
        "id": "again",
        "inputs": [column("temp", [1, 2]), column("wind", [1, 2]), column("carrier", ["AA", "AA"], "BYTES")],
    }
    assert (await service.client.post(INFER, json=one)).status_code == 200
    assert (await service.client.post(INFER, json=one)).status_code == 200
    assert (await service.client.post(INFER, json=two)).status_code == 200
    repeat = np.concatenate([batch.repeat for batch in service.logged()])
    assert repeat.tolist() == [False, True, True, False]  # row 1 of the third was not seen before


async def test_the_same_id_for_another_model_is_no_repeat(service: Service) -> None:
    await service.client.post(INFER, json={"id": "x", "inputs": inputs()})
    await service.client.post(BLOCK, json={"id": "x", "inputs": [block_of([1, 2, 3])]})
    assert not any(batch.repeat.any() for batch in service.logged())


async def test_many_rows_are_computed_beside_the_loop_and_all_logged(service: Service) -> None:
    count = 5_000
    temps = np.linspace(0, 100, count).tolist()
    body = {"inputs": [column("temp", temps), column("wind", [5] * count), column("carrier", ["AA"] * count, "BYTES")]}
    answer = (await service.client.post(INFER, json=body)).json()
    assert answer["outputs"][1]["shape"] == [count, 2]
    batches = service.logged()
    assert [len(batch) for batch in batches] == [4_096, 904]
    assert [batch.meta.rows_so_far for batch in batches] == [4_096, 5_000]
    assert np.concatenate([batch.row for batch in batches]).tolist() == list(range(count))
    scores = np.concatenate([batch.scores for batch in batches])[:, 0]
    assert scores.tolist() == np.array(answer["outputs"][1]["data"][1::2], np.float32).tolist()


async def test_a_refused_request_is_not_logged(service: Service) -> None:
    await service.client.post(INFER, json={"inputs": inputs(temp="hot")})
    assert service.logged() == []


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("nonsense", 401), ("viewer", 403), ("auditor", 403), ("admin", 200)]
)
async def test_only_clients_may_infer(service: Service, state: Any, token: str | None, status: int) -> None:
    path = state / "tokens" / f"{token}.jwt"
    given = path.read_text() if path.exists() else token
    headers = {"Authorization": f"Bearer {given}"} if given else {"Authorization": ""}
    answer = await service.client.post(INFER, json={"inputs": inputs()}, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"].startswith("Authorization: ")


async def test_an_output_that_is_no_number_is_null_in_json(
    service: Service, small: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"label": np.array([0]), "probabilities": np.array([[np.nan, np.inf]], dtype=np.float32)}
    monkeypatch.setattr(small, "run", lambda _: outputs)
    answer = await service.client.post(INFER, json={"inputs": inputs()})
    assert json.loads(answer.content)["outputs"][1]["data"] == [None, None]
