"""The bound on a request's body, kept while it arrives, so that a large one costs no memory."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.errors import error_response

DEFAULT_BODY_LIMIT = 16 * 2**20
# A client that is still sending when the connection closes never reads the answer: so much, so long is waited for.
_DRAINED = 128 * 2**20
_DRAIN_SECONDS = 10


class _TooLargeError(Exception):
    pass


class BodyLimit:
    """ASGI middleware: a body over `limit` bytes is answered with 413."""

    def __init__(self, app: ASGIApp, limit: int = DEFAULT_BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._limit)
        try:
            exchange.check_declared(scope)
            await self._app(scope, exchange.receive, exchange.send)
        except _TooLargeError:
            if not exchange.answered:
                await exchange.refuse(scope)


class _Exchange:
    """One request and its answer. Frameworks turn an error while they read a body into an answer of their own: once
    the body was too large, that answer is stopped, too.
    """

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._seen = 0
        self.answered = False

    def check_declared(self, scope: Scope) -> None:
        told = dict(scope["headers"]).get(b"content-length", b"")
        # int() of thousands of digits raises; what is written with many zeros in front is counted as it arrives
        if told.isdigit() and int(told[:20]) > self._limit:
            raise _TooLargeError

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        if self._seen > self._limit and not self.answered:
            raise _TooLargeError
        self.answered = True
        await self._send(message)

    async def refuse(self, scope: Scope) -> None:
        answer = error_response(413, f"at most {self._limit} bytes", "body", {"Connection": "close"})
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._drain()
        except TimeoutError:
            pass
        await answer(scope, self._receive, self._send)

    async def _drain(self) -> None:
        more = True
        while more and self._seen <= _DRAINED:
            message = await self._receive()
            self._seen += len(message.get("body", b""))
            more = message.get("more_body", False)
