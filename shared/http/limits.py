"""The bound on a request's body, kept while it arrives, so that a large one costs no memory."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.errors import error_response

DEFAULT_BODY_LIMIT = 16 * 2**20


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
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._limit:
            await self._refuse(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, self._counted(receive), watched)
        except _TooLargeError:
            if not started:
                await self._refuse(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise _TooLargeError
            return message

        return counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = error_response(413, f"at most {self._limit} bytes", "body", {"Connection": "close"})
        await answer(scope, receive, send)
