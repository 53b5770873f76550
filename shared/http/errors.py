"""One translator from errors to answers: what is wrong is named, nothing of the input is echoed."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import InvalidInput

_MOST = 300  # characters of each text: the names of unknown fields, which a client chose, may stand in it
# Where the fault lies when it is the framework that says so.
PLACES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "body",
    HTTPStatus.NOT_FOUND: "path",
    HTTPStatus.METHOD_NOT_ALLOWED: "method",
}


def error_response(
    status: int, expected: str, field: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The body of every error: `{"error": {"field": ..., "expected": ...}}`."""
    told = {"field": _sendable(field), "expected": _sendable(expected)}
    return JSONResponse({"error": told}, status, dict(headers or {}))


def _sendable(text: str) -> str:
    return text[:_MOST].encode(errors="replace").decode()  # a lone surrogate can't be sent as UTF-8


def add_error_handlers(app: FastAPI) -> None:
    """Answer 422 for what breaks a contract (FastAPI's own handler fails on NaN: it echoes the input), else JSON."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        field, expected = first_fault(error)
        return error_response(HTTPStatus.UNPROCESSABLE_ENTITY, expected, field)

    @app.exception_handler(InvalidInput)
    async def refused(_: Request, error: InvalidInput) -> JSONResponse:
        return error_response(HTTPStatus.UNPROCESSABLE_ENTITY, error.expected, error.field)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        told: object = error.detail  # `require` puts field and expected there
        where = PLACES.get(error.status_code, "")
        detail = told if isinstance(told, dict) else {"field": where, "expected": str(told)}
        return error_response(error.status_code, headers=error.headers, **detail)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:  # the server logs it with its traceback
        return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, f"the service failed: {type(error).__name__}")


def first_fault(error: RequestValidationError) -> tuple[str, str]:
    """Field and expectation of the first thing wrong with a request; nothing of the input but unknown fields' names."""
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid":  # its place is a position in the text
        return "body", f"JSON: {first['ctx']['error']}"
    place = [str(part) for part in first["loc"] if part != "body"]
    return ".".join(place) or "body", str(first["msg"]).removeprefix("Value error, ")
