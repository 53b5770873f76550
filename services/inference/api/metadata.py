"""What is here and what serves: health and metadata of the Open Inference Protocol, and `GET /v1/models`."""

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from services.inference.api.schema import READ_REFUSALS
from services.inference.domain.encoder import TensorSpec
from services.inference.models.catalogue import Catalogue, Served
from shared.http import Health, require

EXTENSIONS = ("binary_tensor_data",)


def open_routes(health: Health) -> APIRouter:
    """Live and ready, without a token."""
    router = APIRouter(prefix="/v2/health", tags=["Open Inference Protocol"])

    @router.get("/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @router.get("/ready", responses={400: {"description": "Not ready"}})
    async def ready() -> JSONResponse:
        """All deployments are known and loaded; the protocol wants 4xx if not."""
        is_ready = health.reason is None
        return JSONResponse({"ready": is_ready}, HTTPStatus.OK if is_ready else HTTPStatus.BAD_REQUEST)

    return router


def metadata_routes(catalogue: Catalogue) -> APIRouter:
    """Metadata, for viewers and clients."""
    router = APIRouter(
        tags=["Open Inference Protocol"],
        dependencies=[Depends(require("viewer", "client"))],
        responses=READ_REFUSALS,
    )

    @router.get("/v2")
    async def server() -> dict[str, Any]:
        """The server's name, version and extensions of the protocol."""
        return server_description()

    @router.get("/v2/models/{model}")
    async def model_metadata(model: str) -> dict[str, Any]:
        """Versions (bundle digests), inputs and outputs of a model."""
        return model_description(catalogue.get(model))

    @router.get("/v2/models/{model}/versions/{version}")
    async def version_metadata(model: str, version: str) -> dict[str, Any]:
        """The same of one version, if it serves."""
        return model_description(catalogue.get(model, version))

    return router


def ready_routes(catalogue: Catalogue) -> APIRouter:
    """Which models answer, for viewers and clients."""
    router = APIRouter(
        tags=["Open Inference Protocol"],
        dependencies=[Depends(require("viewer", "client"))],
        responses=READ_REFUSALS,
    )

    @router.get("/v2/models/{model}/ready")
    async def model_ready(model: str) -> dict[str, Any]:
        """200 if the model answers, 503 if it is deployed but does not serve, else 404."""
        return {"name": catalogue.get(model).model.name, "ready": True}

    @router.get("/v2/models/{model}/versions/{version}/ready")
    async def version_ready(model: str, version: str) -> dict[str, Any]:
        """200 if this version answers, else 404."""
        return {"name": catalogue.get(model, version).model.name, "ready": True}

    return router


def model_list(catalogue: Catalogue) -> APIRouter:
    """What serves, for viewers and clients."""
    router = APIRouter(tags=["models"], dependencies=[Depends(require("viewer", "client"))])

    @router.get("/v1/models")
    async def models() -> list[dict[str, Any]]:
        """What serves: name, the champion's bundle digest, revision of the deployment, and what runs beside it."""
        return [_serving(served) for served in catalogue.all()]

    return router


def server_description() -> dict[str, Any]:
    """The server's name, version and extensions, as the protocol's metadata names them."""
    return {"name": "driftline", "version": _version(), "extensions": EXTENSIONS}


def _version() -> str:
    try:
        return version("driftline")
    except PackageNotFoundError:  # run from a checkout
        return "0"


def model_description(served: Served) -> dict[str, Any]:
    """Versions, inputs and outputs of what serves, as the protocol's metadata names them."""
    return {
        "name": served.model.name,
        "versions": [each.model.digest for each in served.all_roles],
        "platform": "onnx_onnxv1",
        "inputs": _tensors(served.model.encoder.inputs),
        "outputs": _tensors(served.model.outputs),
    }


def _serving(served: Served) -> dict[str, Any]:
    canary, shadow = served.canary, served.shadow
    return {
        "name": served.model.name,
        "digest": served.model.digest,
        "revision": served.revision,
        "canary": {"digest": canary.served.model.digest, "share": canary.share} if canary else None,
        "shadow": shadow.model.digest if shadow else None,
    }


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs]
