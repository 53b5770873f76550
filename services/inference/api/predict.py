"""`POST /v1/models/{model}/predict`: rows of named features in, one prediction for each out."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray

from services.inference.api.bodies import read_body
from services.inference.api.core import Core
from services.inference.api.schema import ROWS_BODY, ROWS_RESPONSES
from services.inference.domain.answer import in_json
from services.inference.domain.rows import read_rows
from services.inference.models.catalogue import Catalogue
from shared.http import require

PATH = "/v1/models/{model}/predict"


def predict_routes(core: Core, catalogue: Catalogue, body_bytes: int) -> APIRouter:
    """Predictions from rows, for clients."""
    router = APIRouter(tags=["predict"], dependencies=[Depends(require("client"))])

    @router.post(PATH, openapi_extra=ROWS_BODY, responses=ROWS_RESPONSES)
    async def predict(request: Request, model: str) -> Response:
        """Predict rows of named features; the same model, log and ids as by the Open Inference Protocol."""
        received = time.perf_counter()
        served = catalogue.get(model)
        asked = read_rows(await read_body(request, body_bytes), served.model.definition)
        found = await core.predict(served, asked, received)
        told = {"model": found.model.name, "version": found.model.digest, "id": found.id}
        body = orjson.dumps({**told, "predictions": by_row(found.outputs)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    return router


def by_row(outputs: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Outputs [n, ...] as n objects: a number or text where a row has one value, else a list."""
    columns = [output.reshape(len(output)) if output.size == len(output) else output for output in outputs.values()]
    return [dict(zip(outputs, row, strict=True)) for row in zip(*map(in_json, columns), strict=True)]
