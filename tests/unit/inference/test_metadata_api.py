"""Health and metadata of the Open Inference Protocol."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from services.inference.models.loaded import LoadedModel
from tests.unit.inference.harness import Service


def as_role(state: Path, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(state / 'tokens' / f'{role}.jwt').read_text()}"}


async def get(service: Service, path: str, **options: Any) -> httpx.Response:
    return await service.client.get(path, **options)


async def test_health_needs_no_token(service: Service) -> None:
    nobody = {"Authorization": ""}
    assert (await get(service, "/v2/health/live", headers=nobody)).json() == {"live": True}
    waiting = await get(service, "/v2/health/ready", headers=nobody)
    assert (waiting.status_code, waiting.json()) == (400, {"ready": False})
    service.health.ready()
    ready = await get(service, "/v2/health/ready", headers=nobody)
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


async def test_a_server_names_itself(service: Service) -> None:
    told = (await get(service, "/v2")).json()
    assert (told["name"], told["extensions"]) == ("driftline", ["binary_tensor_data"])


@pytest.mark.parametrize("versioned", [True, False])
async def test_a_model_says_what_it_takes_and_gives(service: Service, small: LoadedModel, versioned: bool) -> None:
    path = "/v2/models/small" + (f"/versions/{small.digest}" if versioned else "")
    assert (await get(service, path)).json() == {
        "name": "small",
        "versions": [small.digest],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": "temp", "datatype": "FP32", "shape": [-1]},
            {"name": "wind", "datatype": "FP32", "shape": [-1]},
            {"name": "carrier", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
        ],
    }
    ready = await get(service, f"{path}/ready")
    assert ready.json() == {"name": "small", "ready": True}


@pytest.mark.parametrize("path", ["/v1/models", "/v2", "/v2/models/small", "/v2/models/small/infer"])
async def test_a_parameter_that_no_route_takes_is_refused(service: Service, path: str) -> None:
    answer = await service.client.request("POST" if path.endswith("infer") else "GET", f"{path}?zz=1")
    told = "query.zz: Extra inputs are not permitted"
    error = {"field": "query.zz", "expected": "Extra inputs are not permitted"} if path == "/v1/models" else told
    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_a_numeric_model_takes_a_block(service: Service) -> None:
    told = (await get(service, "/v2/models/block")).json()
    assert told["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]


@pytest.mark.parametrize(
    "path", ["/v2/models/nobody/ready", "/v2/models/small/versions/1", "/v2/models/small/versions/1/ready"]
)
async def test_what_is_not_there_is_not_found(service: Service, path: str) -> None:
    assert (await get(service, path)).status_code == 404


async def test_what_serves_is_listed_with_its_revision(
    service: Service, small: LoadedModel, block: LoadedModel
) -> None:
    alone = {"canary": None, "shadow": None}
    assert (await get(service, "/v1/models")).json() == [
        {"name": "block", "digest": block.digest, "revision": 1, **alone},
        {"name": "small", "digest": small.digest, "revision": 1, **alone},
    ]


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 200), ("client", 200), ("admin", 200), ("auditor", 403), ("operator", 403)]
)
@pytest.mark.parametrize("path", ["/v2", "/v2/models/small", "/v2/models/small/ready", "/v1/models"])
async def test_metadata_is_for_viewers_and_clients(
    service: Service, state: Path, path: str, role: str, status: int
) -> None:
    assert (await get(service, path, headers=as_role(state, role))).status_code == status
    assert (await get(service, path, headers={"Authorization": ""})).status_code == 401


async def test_the_openapi_document_describes_every_route(service: Service) -> None:
    document = (await get(service, "/openapi.json")).json()
    infer = document["paths"]["/v2/models/{model}/versions/{version}/infer"]["post"]
    assert [each["name"] for each in infer["parameters"]] == [
        "model",
        "version",
        "Inference-Header-Content-Length",
    ]
    assert infer["security"] == [{"HTTPBearer": []}]
    assert "HTTPBearer" in document["components"]["securitySchemes"]
    assert infer["requestBody"]["content"]["application/json"]["schema"]["required"] == ["inputs"]
    assert "/v1/models/{model}/labels" in document["paths"]
    described = document["paths"]["/v2/models/{model}"]["get"]
    assert [each["name"] for each in described["parameters"]] == ["model"]
    assert {"401", "403", "404"} <= described["responses"].keys()
