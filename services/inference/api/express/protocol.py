"""A connection: uvicorn's own protocol, with the express lane beside it."""

import time
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.inference.api.express.exchange import NOT_ADMITTED, Exchange, Head, Incoming, Known
from services.inference.api.express.lane import Lane
from services.inference.api.outcomes import OUTCOMES
from services.inference.domain.answer import Answer

_LATER = Answer(b'{"error":"the prediction can not be made and logged now; ask again"}', None)
_MOST_HEAD = 65_536  # bytes
_MOST_WAITING = 64  # requests of a connection: before some are answered no more are read
_READ_SECONDS = 30.0  # that a request may take to arrive
_LINGER_SECONDS = 0.5  # that an idle connection stays when the server ends: a request may be on its way


class ExpressProtocol(HttpToolsProtocol):
    """Answers go out in the order in which their requests came, whichever way these took.

    While an exchange waits for its answer all later requests of the connection are exchanges, too; while the
    application answers one, uvicorn keeps all later ones back itself.
    """

    def __init__(self, lane: Lane, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.url = b""
        self.headers = []
        self.tracer = lane.tracer
        self._lane = lane
        self._reading: Incoming | None = None
        self._data = b""  # what came at once between two requests, while it is parsed
        self._waiting: deque[Exchange] = deque()
        self._messages = 0
        self._midway = False  # in a message
        self._in_head = False
        self._head_bytes = 0
        self._leaving = False
        # How many messages had come when it was last seen changed, and when that was.
        self._rested = (0, self.loop.time())

    def connection_made(self, transport: Any) -> None:
        """A client is here."""
        super().connection_made(transport)
        self._lane.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if not (self._midway or self._runs()):
            known = self._lane.known(data)
            served = self._lane.serves(known.admission) if known else None
            if known and served:
                self._unset_keepalive_if_required()
                self._messages += 1
                self._take(Exchange(known.head, known.admission, served, self), data[-known.size :])
                return
            self._data = data
        ended = self._messages - self._midway
        super().data_received(data)
        self._data = b""
        if self._in_head and ended == self._messages - 1:  # else it began somewhere within these bytes
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url = b""
        self.headers = []
        self._reading = None
        self._midway = self._in_head = True
        self._head_bytes = 0
        self._messages += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, as it came; one behind the body says nothing here."""
        if self._in_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its head is here: which way does it take?"""
        self._in_head = False
        parser = self.parser
        method, version, keeps_alive = parser.get_method(), parser.get_http_version(), parser.should_keep_alive()
        head = Head(method, self.url, version, keeps_alive, self.headers)
        admission = served = None
        if keeps_alive and method == b"POST" and version == "1.1" and not self._runs():
            admission = self._lane.admits(self.url, self.headers)
            served = self._lane.serves(admission) if admission else None
        if served is None and not self._waiting:
            self._begin_normal(head)
        else:
            admission = admission or NOT_ADMITTED
            self._reading = Incoming(Exchange(head, admission, served, self), admission)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        incoming = self._reading
        if incoming is not None:
            incoming.add(body)
            if incoming.size > self._lane.body_bytes:
                self._stop_reading(incoming)
        elif self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._midway = False
        incoming = self._reading
        if incoming is None:
            if self.cycle is not None:
                super().on_message_complete()
            return
        self._reading, exchange = None, incoming.exchange
        if self._data and exchange.served:
            self._lane.learn(self._data, Known(exchange.head, incoming.admission, incoming.size))
        self._take(exchange, incoming.body)

    def _take(self, exchange: Exchange, body: bytes) -> None:
        exchange.body = body
        self._waiting.append(exchange)
        if len(self._waiting) >= _MOST_WAITING:
            self.flow.pause_reading()
        if exchange.served is None:
            exchange.give_up()
        else:
            exchange.received = time.perf_counter()
            self._lane.add(exchange.served, exchange)

    def _stop_reading(self, incoming: Incoming) -> None:
        self._reading = None
        if self._waiting:  # nobody does this but to do harm
            self.transport.close()
        else:  # the application refuses it while it still comes
            incoming.exchange.body = incoming.body
            self._replay(incoming.exchange, whole=False)

    def _runs(self) -> bool:
        """Whether the application is answering a request of this connection."""
        return self.cycle is not None and not self.cycle.response_complete

    def advance(self) -> None:
        """Answer what can be answered, in order. It never raises: others run beside these."""
        waiting = self._waiting
        if self.transport.is_closing():
            waiting.clear()
        while waiting and waiting[0].done:
            if self._runs():
                return
            exchange = waiting.popleft()
            if exchange.answer is not None:
                OUTCOMES.add("express", 200)
                self._write(exchange.answer)
            elif exchange.refused:
                OUTCOMES.add("express", 503)
                self._write(_LATER, b"503 Service Unavailable\r\nretry-after: 1")
            else:
                self._replay(exchange, whole=True)
        if self.flow.read_paused and len(waiting) < _MOST_WAITING and not (self.flow.write_paused or self._runs()):
            self.flow.resume_reading()

    def _write(self, answer: Answer, status: bytes = b"200 OK") -> None:
        state = self.server_state
        state.total_requests += 1
        last = self._leaving and not self._waiting
        head = self._lane.head(state.default_headers, status, answer.json_length, last)
        self.transport.write(b"%b%d\r\n\r\n%b" % (head, len(answer.body), answer.body))
        if last:
            self.transport.close()

    def _replay(self, exchange: Exchange, *, whole: bool) -> None:
        """Give a request to the application as if it came just now; the parser may be within a later one."""
        later = self.parser, self.url, self.headers
        self.parser = exchange.head  # type: ignore[assignment]  # it has the methods that are asked of a parser here
        try:
            self._begin_normal(exchange.head)
            super().on_body(exchange.body)
            if whole:
                super().on_message_complete()
        except Exception:  # noqa: BLE001  # as the parser does with what its callbacks raise: of a URL that is none
            self._waiting.clear()
            self._refuse(b"400 Bad Request")
        finally:
            self.parser, self.url, self.headers = later

    def _begin_normal(self, head: Head) -> None:
        super().on_message_begin()
        self.url = head.url
        for name, value in head.headers:
            super().on_header(name, value)
        super().on_headers_complete()
        if self._leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """The application has answered."""
        super().on_response_complete()
        self.advance()
        if self._waiting or self._runs():  # it is not idle, as uvicorn thinks it is
            self._unset_keepalive_if_required()

    def _refuse(self, status: bytes) -> None:
        self._in_head = False
        if not self.transport.is_closing():
            OUTCOMES.add("express", int(status[:3]))
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; what still waits is answered to nobody."""
        super().connection_lost(exc)
        self._lane.connections.discard(self)
        self._reading = None
        self._waiting.clear()

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if len(self._waiting) < _MOST_WAITING:
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server ends: answer what has come and what is on its way, each with the word that it was the last."""
        self._leaving = True
        if self._runs():
            super().shutdown()
        else:
            self.loop.call_later(_LINGER_SECONDS, self._leave)

    def _leave(self) -> None:
        if not (self._waiting or self._midway or self._runs()):
            self.transport.close()

    def tidy(self, now: float) -> None:
        """Close a connection that has been idle, or in the midst of one request, for too long; `now` in seconds."""
        messages, since = self._rested
        if messages != self._messages or self._waiting or self._runs():
            self._rested = (self._messages, now)
        elif self._midway and now - since > _READ_SECONDS:
            self._refuse(b"408 Request Timeout")
        elif not self._midway and now - since > self.timeout_keep_alive:
            self.transport.close()
