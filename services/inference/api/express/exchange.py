"""One request on a connection, and its answer."""

from typing import NamedTuple, Protocol

from services.inference.domain.answer import Answer
from services.inference.models.catalogue import Served

Headers = list[tuple[bytes, bytes]]


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
        """Requests that do are never kept back."""
        return False


class Connection(Protocol):
    """Where a request came from."""

    def advance(self) -> None:
        """One of its requests can be answered or has to take the normal way."""


class Exchange:
    """`served` answers it, None if it takes the normal way; `done` is set once it can be answered or has to be.

    `json_length` is how much of its body is JSON, None for all.
    """

    __slots__ = ("answer", "body", "connection", "done", "head", "json_length", "received", "refused", "served")

    def __init__(self, head: Head, served: Served | None, json_length: int | None, connection: Connection) -> None:
        self.head = head
        self.served = served
        self.json_length = json_length
        self.connection = connection
        self.body = b""
        self.received = 0.0
        self.answer: Answer | None = None
        self.refused = False
        self.done = False

    def finish(self, answer: Answer) -> None:
        """Here it is."""
        if not self.done:
            self.answer = answer
            self.done = True
            self.connection.advance()

    def refuse(self) -> None:
        """It can't be answered now."""
        self.refused = True
        self.give_up()

    def give_up(self) -> None:
        """It takes the normal way."""
        if not self.done:
            self.done = True
            self.connection.advance()
