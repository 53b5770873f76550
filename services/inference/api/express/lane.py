"""Which requests may take the express lane, and what happens to them there."""

import asyncio
import re
import time
from typing import NamedTuple, Protocol

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.api.express.exchange import Exchange, Headers
from services.inference.domain.binary import LENGTH_HEADER
from services.inference.models.catalogue import Catalogue, Served
from shared.http import permits
from shared.tokens import BadToken, TokenVerifier

_PATH = re.compile(rb"/v2/models/([A-Za-z0-9_.-]+)(?:/versions/([0-9a-f]{64}))?/infer")
_MOST_PATHS = 10_000
_LENGTH = LENGTH_HEADER.lower().encode()
_UNUSUAL = frozenset({b"content-encoding", _LENGTH, b"upgrade", b"expect"})
_TIDY_SECONDS = 1.0


class Connection(Protocol):
    """What the lane looks after."""

    def tidy(self, now: float) -> None:
        """Close it if it has been idle or slow for too long; `now` in seconds of the event loop's clock."""


class Admitted(NamedTuple):
    """What answers a request, and how much of its body is JSON, if not all."""

    served: Served
    json_length: int | None


class Lane:
    """What all connections share. `body_bytes` is the largest body that it takes."""

    def __init__(self, core: Core, catalogue: Catalogue, tokens: TokenVerifier, body_bytes: int) -> None:
        self.body_bytes = body_bytes
        self.connections: set[Connection] = set()
        self._catalogue = catalogue
        self._tokens = tokens
        self._batcher = Batcher(core)
        self._default_headers: Headers | None = None
        self._head = b""
        self._paths: dict[bytes, tuple[str, str | None]] = {}

    def admits(self, url: bytes, headers: Headers) -> Admitted | None:
        """A POST to `url` with this head, if it need not take the normal way."""
        path = self._paths.get(url) or self._path(url)
        if path is None:
            return None
        token, json_length = b"", None
        for name, value in headers:
            if name == b"authorization":
                token = value
            elif name == _LENGTH and value.isdigit() and len(value) <= 20:
                json_length = int(value)
            elif name in _UNUSUAL:
                return None
        served = self._catalogue.find(path[0])
        if served is None or (path[1] is not None and path[1] != served.model.digest) or not self._may(token):
            return None
        return Admitted(served, json_length)

    def _path(self, url: bytes) -> tuple[str, str | None] | None:
        found = _PATH.fullmatch(url)
        if found is None:
            return None
        if len(self._paths) >= _MOST_PATHS:
            self._paths.clear()
        model, version = found.groups()
        self._paths[url] = path = (model.decode(), version.decode() if version else None)
        return path

    def _may(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        try:
            return permits(self._tokens.verify(token.strip().decode("latin-1")), ("client",))
        except BadToken:
            return False

    def submit(self, served: Served, exchange: Exchange) -> None:
        """Have it answered in this turn of the event loop."""
        exchange.received = time.perf_counter()
        self._batcher.add(served, exchange)

    def head(self, default_headers: Headers, json_length: int | None, last: bool) -> bytes:
        """A response's head from its status to the length of its body; `last`: the connection closes after it."""
        if default_headers is not self._default_headers:  # uvicorn makes a new list each second, with the date
            self._default_headers = default_headers
            self._head = b"\r\n" + b"".join(b"%b: %b\r\n" % header for header in default_headers)
        head = self._head + b"connection: close\r\n" if last else self._head
        if json_length is None:
            return head + b"content-type: application/json\r\ncontent-length: "
        return b"%bcontent-type: application/octet-stream\r\n%b: %d\r\ncontent-length: " % (head, _LENGTH, json_length)

    async def tidy(self) -> None:
        """Close connections that have been idle or slow for too long, for ever."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.connections):
                connection.tidy(now)
