"""`POST /v2/models/{model}/infer`, with or without a version."""

import time

from fastapi import FastAPI, Request, Response

from services.inference.api.bodies import read_body
from services.inference.api.core import Core
from services.inference.api.schema import INFER_RESPONSES, infer_body
from services.inference.domain.answer import Answer
from services.inference.domain.binary import LENGTH_HEADER, read_length
from services.inference.models.catalogue import Catalogue
from shared.http import require


def reply(answer: Answer) -> Response:
    """JSON, or binary tensors behind JSON whose length the header tells."""
    if answer.json_length is None:
        return Response(answer.body, media_type="application/json")
    headers = {LENGTH_HEADER: str(answer.json_length)}
    return Response(answer.body, media_type="application/octet-stream", headers=headers)


def add_infer_routes(app: FastAPI, core: Core, catalogue: Catalogue, body_bytes: int) -> None:
    """Inference, for clients.

    This is the hot path: the routes come first of all, and take only the request, for FastAPI's way to parameters and
    dependencies costs as much as the prediction.
    """
    authorise = require("client")

    async def infer(request: Request) -> Response:
        """Predict with what serves under this name, or with one version, a bundle digest; 404 if it does not serve."""
        received = time.perf_counter()
        await authorise(request, None)
        served = catalogue.get(request.path_params["model"], request.path_params.get("version"))
        body = await read_body(request, body_bytes)
        return reply(await core.infer(served, body, received, read_length(request.headers.get(LENGTH_HEADER))))

    for path in ("/v2/models/{model}/versions/{version}/infer", "/v2/models/{model}/infer"):
        app.add_api_route(
            path,
            infer,
            methods=["POST"],
            tags=["Open Inference Protocol"],
            response_class=Response,
            responses=INFER_RESPONSES,
            openapi_extra=infer_body(path),
        )
        app.router.routes.insert(0, app.router.routes.pop())
