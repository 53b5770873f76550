"""`POST /v1/models/{model}/labels`: what came true."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request

from services.inference.api.bodies import read_body
from services.inference.api.schema import LABELS_BODY
from services.inference.api.tracing import passed_on
from services.inference.domain.labels import read_labels
from services.inference.models.catalogue import Catalogue
from services.inference.store.labels import LabelSender
from shared.http import require


def label_routes(sender: LabelSender, catalogue: Catalogue, body_bytes: int) -> APIRouter:
    """Labels, from clients."""
    router = APIRouter(tags=["labels"], dependencies=[Depends(require("client"))])

    @router.post(
        "/v1/models/{model}/labels",
        status_code=HTTPStatus.ACCEPTED,
        openapi_extra=LABELS_BODY,
        responses={503: {"description": "Kafka has not confirmed them; send them again after Retry-After seconds"}},
    )
    async def labels(request: Request, model: str) -> dict[str, int]:
        """Take labels; 202 when Kafka has them. The same label again is a repeat, a later event_time a correction.

        The value of a label is what the served definition's kind says, 0 or 1 if it is binary; a business outcome is
        any number. Times are from 1970 on and at most 5 minutes ahead, and those of a post are of at most 31 different
        days (UTC); a label is not older than its prediction.
        """
        definition = catalogue.get(model).model.definition
        found = read_labels(await read_body(request, body_bytes), definition.label.kind, datetime.now(UTC))
        await sender.post(model, found, passed_on())
        return {"accepted": len(found)}

    return router
