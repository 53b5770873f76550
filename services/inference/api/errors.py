"""Errors as each protocol writes them: below `/v2` the Open Inference Protocol's, one string that names the field."""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from structlog import get_logger

from services.inference.api.bodies import TooLarge
from services.inference.models.catalogue import NotReady, NotServed
from services.inference.models.loaded import ModelFailed
from services.inference.store.accounting import NotLogged
from services.inference.store.labels import LabelsNotTaken
from shared.errors import InvalidInput
from shared.http.errors import error_response

log = get_logger()

_MOST = 300  # characters: names that a client chose may stand in it
# Where the fault lies when it is the framework that says so.
_PLACES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "body",
    HTTPStatus.NOT_FOUND: "path",
    HTTPStatus.METHOD_NOT_ALLOWED: "method",
}


def _answer(
    request: Request, status: int, field: str, expected: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    if request.url.path.startswith("/v2"):
        text = f"{field}: {expected}" if field else expected
        return JSONResponse({"error": text[:_MOST]}, status, dict(headers or {}))
    return error_response(status, expected, field, headers)


def add_protocol_errors(app: FastAPI) -> None:
    """Take the place of the common handlers: the same answers, and those of the protocol below `/v2`."""
    handlers: dict[type[Exception], Callable[[Request, Any], Coroutine[Any, Any, JSONResponse]]] = {
        InvalidInput: _invalid,
        NotServed: _unknown,
        NotReady: _not_ready,
        ModelFailed: _failed,
        LabelsNotTaken: _later,
        NotLogged: _later,
        HTTPException: _http,
        Exception: _broken,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _invalid(request: Request, error: InvalidInput) -> JSONResponse:
    if isinstance(error, TooLarge):
        headers = {"Connection": "close"}
        return _answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.field, error.expected, headers)
    return _answer(request, HTTPStatus.BAD_REQUEST, error.field, error.expected)


async def _unknown(request: Request, error: NotServed) -> JSONResponse:
    return _answer(request, HTTPStatus.NOT_FOUND, "model", str(error))


async def _not_ready(request: Request, error: NotReady) -> JSONResponse:
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, "model", str(error), {"Retry-After": "10"})


async def _failed(request: Request, error: ModelFailed) -> JSONResponse:
    log.error("model failed", why=str(error))
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "model", "the model could not compute an answer")


async def _later(request: Request, error: LabelsNotTaken | NotLogged) -> JSONResponse:
    field = "labels" if isinstance(error, LabelsNotTaken) else ""
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, field, str(error), {"Retry-After": "2"})


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    told: Any = error.detail  # `require` puts field and expected there
    where = _PLACES.get(error.status_code, "")
    field, expected = (told["field"], told["expected"]) if isinstance(told, dict) else (where, str(told))
    return _answer(request, error.status_code, field, expected, error.headers)


async def _broken(request: Request, error: Exception) -> JSONResponse:  # the server logs it with its traceback
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "", f"the service failed: {type(error).__name__}")
