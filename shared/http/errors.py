"""One translator from errors to answers: what is wrong is named, nothing of the input is echoed."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import InvalidInput


def error_response(
    status: int, expected: str, field: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The body of every error: `{"error": {"field": ..., "expected": ...}}`."""
    return JSONResponse({"error": {"field": field, "expected": expected}}, status, dict(headers or {}))


def add_error_handlers(app: FastAPI) -> None:
    """Answer 422 for what breaks a contract (FastAPI's own handler fails on NaN: it echoes the input), else JSON."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part != "body"]
        return error_response(HTTPStatus.UNPROCESSABLE_ENTITY, str(first["msg"]), ".".join(place) or "body")

    @app.exception_handler(InvalidInput)
    async def refused(_: Request, error: InvalidInput) -> JSONResponse:
        return error_response(HTTPStatus.UNPROCESSABLE_ENTITY, error.expected, error.field)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        told: object = error.detail  # `require` puts field and expected there
        detail = told if isinstance(told, dict) else {"expected": str(told)}
        return error_response(error.status_code, headers=error.headers, **detail)
