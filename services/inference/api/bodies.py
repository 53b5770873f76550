"""Reading a request's body within its bound."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from shared.errors import InvalidInput

# A client that is still sending when the connection closes never reads the answer: so much, so long is waited for.
DRAINED_LIMITS = 8
_DRAIN_SECONDS = 10


class TooLarge(InvalidInput):
    """The body goes beyond the bound."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it has more than `limit` bytes; no more are kept.
        InvalidInput: the client went away before its end.
        HTTPException: 415, it is compressed: what it would grow to is not known before.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        told = {"field": "Content-Encoding", "expected": "identity; bodies are taken as they are"}
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told, {"Accept-Encoding": "identity"})
    stream = request.stream()
    try:
        chunks = None if _declared(request) > limit else await _within(stream, limit)
        if chunks is None:
            await _drain(stream, limit * DRAINED_LIMITS)
            raise TooLarge("body", f"at most {limit} bytes")
    except ClientDisconnect:
        raise InvalidInput("body", "all of it") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _within(stream: AsyncGenerator[bytes, None], limit: int) -> list[bytes] | None:
    """All that comes; None as soon as it is more than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            return None
        if chunk:
            chunks.append(chunk)
    return chunks


def _declared(request: Request) -> int:
    told = request.headers.get("content-length", "")
    return int(told[:20]) if told.isdecimal() else 0  # int() of thousands of digits raises


async def _drain(stream: AsyncGenerator[bytes, None], most: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in stream:
                most -= len(chunk)
                if most < 0:
                    break
