"""One request on a connection: its head, its body, its answer."""

from typing import Literal, NamedTuple, Protocol

from opentelemetry.trace import Span, Tracer

from services.inference.api.tracing import Brought, begin_late, end, http_request, traceparent
from services.inference.domain.answer import Answer
from services.inference.domain.answered import Source
from services.inference.models.catalogue import Served

Headers = list[tuple[bytes, bytes]]
_ROUTE, _VERSION_ROUTE = "/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"


class Head(NamedTuple):
    """A request's head, and what the parser says of it: its methods are those that uvicorn asks the parser."""

    method: bytes
    url: bytes
    version: str
    keeps_alive: bool
    headers: Headers

    def get_method(self) -> bytes:
        """Such as POST."""
        return self.method

    def get_http_version(self) -> str:
        """Such as 1.1."""
        return self.version

    def should_keep_alive(self) -> bool:
        """Whether the client wants the connection to stay."""
        return self.keeps_alive

    def should_upgrade(self) -> bool:
        """Those that wait behind others are answered as if they did not ask for it."""
        return False


class Admission(NamedTuple):
    """What a head asks for that may take the lane: model and version, by which token, how much of its body is JSON, if
    not all, and the trace that it is part of.
    """

    path: tuple[str, str | None]
    token: bytes
    json_length: int | None
    trace: Brought | None


NOT_ADMITTED = Admission(("", None), b"", None, None)


class Known(NamedTuple):
    """A head that was parsed and admitted before, with a body of `size` bytes."""

    head: Head
    admission: Admission
    size: int


class Connection(Protocol):
    """Where a request came from; `scheme` is http or https."""

    scheme: Literal["http", "https"] | None
    tracer: Tracer

    def advance(self) -> None:
        """One of its requests can be answered or has to take the normal way."""


class Exchange:
    """`served` answers it, None if it takes the normal way; `done` is set once it can be answered or has to be.

    `json_length` is how much of its body is JSON, None for all; `trace` what it says of the trace that it is part of.
    """

    __slots__ = (
        "answer", "body", "connection", "done", "head", "json_length", "received", "refused", "served", "span", "trace",
    )  # fmt: skip

    def __init__(self, head: Head, admission: Admission, served: Served | None, connection: Connection) -> None:
        self.head = head
        self.served = served
        self.connection = connection
        self.json_length = admission.json_length
        self.trace = admission.trace
        self.span: Span | None = None
        self.body = b""
        self.received = 0.0
        self.answer: Answer | None = None
        self.refused = False
        self.done = False

    def traced(self, source: Source, request_id: str) -> str | None:
        """What leads from its rows to its span, which begins with its receipt; None if it is part of no trace."""
        if self.trace is None:
            return None
        self.span = self._begin(self.trace)
        return traceparent(source.model, source.digest, request_id, self.span)

    def _begin(self, trace: Brought) -> Span:
        scheme, path = self.connection.scheme or "http", self.head.url.decode("latin-1")
        asked = http_request(self.head.method.decode(), scheme, path)
        return begin_late(self.connection.tracer, trace, asked, self.received)

    def finish(self, answer: Answer) -> None:
        """Here it is."""
        if not self.done:
            self.answer = answer
            self.done = True
            if self.span is not None:
                self._end(self.span, 200)
            self.connection.advance()

    def refuse(self) -> None:
        """It can't be answered now."""
        if self.trace is not None and not self.done:
            self._end(self.span or self._begin(self.trace), 503)
        self.refused = True
        self.give_up()

    def give_up(self) -> None:
        """It takes the normal way, where it has another span: one that does not end is told to nobody."""
        if not self.done:
            self.done = True
            self.connection.advance()

    def _end(self, span: Span, status: int) -> None:
        route = _VERSION_ROUTE if b"/versions/" in self.head.url else _ROUTE
        end(span, self.head.method.decode(), route, status)


class Incoming:
    """An exchange whose body is on its way."""

    __slots__ = ("_chunks", "admission", "exchange", "size")

    def __init__(self, exchange: Exchange, admission: Admission) -> None:
        self.exchange = exchange
        self.admission = admission
        self.size = 0
        self._chunks: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """More of it."""
        self._chunks.append(piece)
        self.size += len(piece)

    @property
    def body(self) -> bytes:
        """All that has come."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
