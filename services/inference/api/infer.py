"""`POST /v2/models/{model}/infer`, with or without a version."""

import time
from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response

from services.inference.api.bodies import read_body
from services.inference.api.core import Core
from services.inference.api.schema import INFER_BODY, INFER_RESPONSES
from services.inference.models.catalogue import Catalogue
from shared.http import require


def infer_routes(core: Core, catalogue: Catalogue, body_bytes: int) -> APIRouter:
    """Inference, for clients."""
    router = APIRouter(tags=["Open Inference Protocol"], dependencies=[Depends(require("client"))])

    async def answer(request: Request, model: str, version: str | None) -> Response:
        received = time.perf_counter()
        served = catalogue.get(model, version)
        body = await read_body(request, body_bytes)
        return Response(await core.infer(served, body, received), media_type="application/json")

    def route(path: str) -> Callable[..., Callable[..., object]]:
        return router.post(path, openapi_extra=INFER_BODY, responses=INFER_RESPONSES, response_class=Response)

    @route("/v2/models/{model}/infer")
    async def infer(request: Request, model: str) -> Response:
        """Predict with what serves under this name."""
        return await answer(request, model, None)

    @route("/v2/models/{model}/versions/{version}/infer")
    async def infer_version(request: Request, model: str, version: str) -> Response:
        """Predict with one version, a bundle digest; 404 if it does not serve."""
        return await answer(request, model, version)

    return router
