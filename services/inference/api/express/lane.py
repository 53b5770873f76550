"""Which requests may take the express lane, and what happens to them there."""

import asyncio
import re
import time
from enum import Enum, auto
from typing import NamedTuple, Protocol

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.api.express.exchange import Headers
from services.inference.domain.binary import LENGTH_HEADER
from services.inference.models.catalogue import Catalogue, Served
from shared.http import permits
from shared.tokens import BadToken, TokenVerifier, bearer

_PATH = re.compile(rb"/v2/models/([A-Za-z0-9_.-]+)(?:/versions/([0-9a-f]{64}))?/infer")
_MOST_PATHS = 10_000
_MOST_NAMES = 1_000
_LENGTH = LENGTH_HEADER.lower().encode()


class _Kind(Enum):
    """What a header means for the way that a request takes."""

    USUAL = auto()
    TOKEN = auto()
    LENGTH = auto()
    SIZE = auto()
    UNUSUAL = auto()


_NAMES = {
    b"authorization": _Kind.TOKEN,
    _LENGTH: _Kind.LENGTH,
    b"content-length": _Kind.SIZE,
    **dict.fromkeys((b"content-encoding", b"upgrade", b"expect"), _Kind.UNUSUAL),
}
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
    """What all connections share. `body_bytes` is the largest body that it takes; `add` has a request answered."""

    def __init__(self, core: Core, catalogue: Catalogue, tokens: TokenVerifier, body_bytes: int) -> None:
        self.body_bytes = body_bytes
        self.connections: set[Connection] = set()
        self._catalogue = catalogue
        self._tokens = tokens
        self.add = Batcher(core).add
        self._kinds: dict[bytes, _Kind] = {}
        self._tokens_seen: dict[bytes, float] = {}
        self._default_headers: Headers | None = None
        self._lines = b""
        self._heads: dict[tuple[bytes, int | None, bool], bytes] = {}
        self._paths: dict[bytes, tuple[str, str | None]] = {}

    def admits(self, url: bytes, headers: Headers) -> Admitted | None:
        """A POST to `url` with this head, if it need not take the normal way."""
        path = self._paths.get(url) or self._path(url)
        if path is None:
            return None
        token, json_length = b"", None
        for name, value in headers:
            kind = self._kinds.get(name)
            if kind is None:
                kind = self._kind(name)
            if kind is _Kind.TOKEN:
                token = value
            elif kind is _Kind.LENGTH and value.isdigit() and len(value) <= 20:
                json_length = int(value)
            elif kind is _Kind.SIZE:
                if not value.isdigit() or len(value) > 20 or int(value) > self.body_bytes:  # then none of it is kept
                    return None
            elif kind is not _Kind.USUAL:
                return None
        served = self._catalogue.find(*path)
        if served is None or not self._may(token):
            return None
        return Admitted(served, json_length)

    def _kind(self, name: bytes) -> "_Kind":
        if len(self._kinds) >= _MOST_NAMES:
            self._kinds.clear()
        self._kinds[name] = kind = _NAMES.get(name.lower(), _Kind.USUAL)
        return kind

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
        """Whether a header holds a token that may infer; good ones seen before are only checked for expiry."""
        expires = self._tokens_seen.get(header) or self._expiry(header)
        return expires > time.time()

    def _expiry(self, header: bytes) -> float:
        try:
            who = self._tokens.verify(bearer(header.decode("latin-1")))
        except BadToken:
            return 0.0
        if not permits(who, ("client",)):
            return 0.0
        if len(self._tokens_seen) >= _MOST_NAMES:
            self._tokens_seen.clear()
        self._tokens_seen[header] = who.expires
        return who.expires

    def head(self, default_headers: Headers, status: bytes, json_length: int | None, last: bool) -> bytes:
        """A response's head up to the length of its body; `last`: the connection closes after it."""
        if default_headers is not self._default_headers:  # uvicorn makes a new list each second, with the date
            self._default_headers = default_headers
            self._lines = b"".join(b"%b: %b\r\n" % header for header in default_headers)
            self._heads.clear()
        key = (status, json_length, last)
        return self._heads.get(key) or self._make_head(key)

    def _make_head(self, key: tuple[bytes, int | None, bool]) -> bytes:
        status, json_length, last = key
        close = b"connection: close\r\n" if last else b""
        kind = b"content-type: application/json\r\n"
        if json_length is not None:
            kind = b"content-type: application/octet-stream\r\n%b: %d\r\n" % (_LENGTH, json_length)
        made = b"HTTP/1.1 %b\r\n%b%b%bcontent-length: " % (status, self._lines, close, kind)
        self._heads[key] = made
        return made

    async def tidy(self) -> None:
        """Close connections that have been idle or slow for too long, for ever."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.connections):
                connection.tidy(now)
