"""Errors as each protocol writes them: below `/v2` the Open Inference Protocol's, one string that names the field."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.inference.api.failures import EXPECTED, Failure, broken, failure
from shared.http.errors import PLACES, error_response


def _answer(request: Request, told: Failure, headers: Mapping[str, str] | None = None) -> JSONResponse:
    if request.url.path.startswith("/v2"):
        return JSONResponse({"error": told.text}, told.status, dict(headers or {}))
    return error_response(told.status, told.expected, told.field, headers)


def add_protocol_errors(app: FastAPI) -> None:
    """Take the place of the common handlers: the same answers, and those of the protocol below `/v2`."""
    for kind in EXPECTED:
        app.add_exception_handler(kind, _expected)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    told = failure(error)
    headers = {} if told.retry_after is None else {"Retry-After": str(told.retry_after)}
    if told.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # the client may still be sending
        headers["Connection"] = "close"
    return _answer(request, told, headers)


async def _http(request: Request, error: Any) -> JSONResponse:
    detail = error.detail  # `require` puts field and expected there
    where = PLACES.get(error.status_code, "")
    field, expected = (detail["field"], detail["expected"]) if isinstance(detail, dict) else (where, str(detail))
    return _answer(request, Failure(error.status_code, field, expected), error.headers)


async def _broken(request: Request, error: Exception) -> JSONResponse:  # the server logs it with its traceback
    return _answer(request, broken(error))
