"""What all routes share: the desk, who may read, and the form of an error."""

from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from structlog import get_logger

from services.governance.domain.errors import Refused
from services.governance.store.database import DatabaseFails
from services.governance.store.desk import Desk
from shared.http import require
from shared.http.errors import error_response
from shared.tokens import Identity

log = get_logger()
RETRY_AFTER = {"Retry-After": "10"}  # seconds
READERS = require("viewer", "operator", "approver", "auditor", "service")


def _desk(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


Office = Annotated[Desk, Depends(_desk)]
Reader = Annotated[Identity, Depends(READERS)]
Operator = Annotated[Identity, Depends(require("operator"))]
Approver = Annotated[Identity, Depends(require("approver"))]
Auditor = Annotated[Identity, Depends(require("auditor"))]
Admin = Annotated[Identity, Depends(require("admin"))]


class Body(BaseModel):
    """A request's body or query: an unknown field is an error, and so is a value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Problem(BaseModel):
    """Which part of the request is wrong, and what was expected of it."""

    field: str
    expected: str


class ProblemBody(BaseModel):
    """The body of every answer that is not 2xx."""

    error: Problem


_WHY = {
    401: "No token, or one that is not valid",
    403: "The token's role, or its person, may not do this",
    404: "There is no such thing",
    409: "It contradicts the present state",
    413: "The body is too large",
    422: "A field is missing, unknown or wrong",
    503: "The database can't be written; try again after Retry-After seconds",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its OpenAPI description."""
    return {status: {"model": ProblemBody, "description": _WHY[status]} for status in (401, 403, 422, 503, *statuses)}


def add_refusals(app: FastAPI) -> None:
    """Give each refusal its status."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return error_response(error.status, error.expected, error.field)

    @app.exception_handler(DatabaseFails)
    async def database_fails(_: Request, error: DatabaseFails) -> JSONResponse:
        log.error("the database fails", why=str(error))
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, str(error), "database", RETRY_AFTER)
