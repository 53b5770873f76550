"""Which requests may take the express lane, and what happens to them there."""

import asyncio
import re
import time
from enum import Enum, auto
from typing import Protocol

from opentelemetry.trace import Tracer

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.api.express.exchange import Admission, Headers, Known
from services.inference.api.tracing import TRACER, brought
from services.inference.domain.binary import LENGTH_HEADER
from services.inference.models.catalogue import Catalogue, Served
from shared.http import permits
from shared.tokens import BadToken, TokenVerifier, bearer

_PATH = re.compile(rb"/v2/models/([A-Za-z0-9_.-]+)(?:/versions/([0-9a-f]{64}))?/infer")
_MOST_PATHS = 10_000
_MOST_NAMES = 1_000
_END = b"\r\n\r\n"
_LONGEST_HEAD = 4_096  # bytes
_LENGTH = LENGTH_HEADER.lower().encode()


class _Kind(Enum):
    """What a header means for the way that a request takes."""

    USUAL = auto()
    TOKEN = auto()
    LENGTH = auto()
    TRACE = auto()
    SIZE = auto()
    UNUSUAL = auto()


_NAMES = {
    b"authorization": _Kind.TOKEN,
    _LENGTH: _Kind.LENGTH,
    **dict.fromkeys((b"traceparent", b"tracestate"), _Kind.TRACE),
    b"content-length": _Kind.SIZE,
    **dict.fromkeys((b"content-encoding", b"upgrade", b"expect"), _Kind.UNUSUAL),
}
_TIDY_SECONDS = 1.0
_DIGITS, _NONE = 20, -1


class Connection(Protocol):
    """What the lane looks after."""

    def tidy(self, now: float) -> None:
        """Close it if it has been idle or slow for too long; `now` in seconds of the event loop's clock."""


class Lane:
    """What all connections share. `body_bytes` is the largest body that it takes; `add` has a request answered."""

    def __init__(  # the last one is an option
        self, core: Core, catalogue: Catalogue, tokens: TokenVerifier, body_bytes: int, *, tracer: Tracer = TRACER
    ) -> None:
        self.body_bytes = body_bytes
        self.tracer = tracer
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
        self._known: dict[bytes, Known] = {}

    def known(self, data: bytes) -> Known | None:
        """What is known of a request if `data` is one whose head, to the byte, came before."""
        end = data.find(_END) + len(_END)
        known = self._known.get(data[:end])
        return known if known is not None and known.size == len(data) - end else None

    def learn(self, data: bytes, known: Known) -> None:
        """`data` was parsed as one request: a head that was admitted, and its body.

        What a parser says of a head hangs on its bytes alone, so it need not parse them again: clients repeat them.
        """
        end = data.find(_END) + len(_END)
        if not 0 < known.size == len(data) - end or end > _LONGEST_HEAD:  # more than one request, or one in chunks
            return
        if known.admission.trace is not None:  # it will not come again
            return
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[data[:end]] = known

    def admits(self, url: bytes, headers: Headers) -> Admission | None:
        """What a POST to `url` with this head asks for, if it need not take the normal way."""
        path = self._paths.get(url) or self._path(url)
        if path is None:
            return None
        told: dict[_Kind, bytes] = {}
        traced: Headers = []
        for name, value in headers:
            kind = self._kinds.get(name) or self._kind(name)
            if kind is _Kind.UNUSUAL:
                return None
            if kind is _Kind.TRACE:
                traced.append((name.lower(), value))
            elif kind is not _Kind.USUAL:
                if kind in told:  # which of two counts?
                    return None
                told[kind] = value
        json_length, size = _number(told.get(_Kind.LENGTH)), _number(told.get(_Kind.SIZE)) or 0
        trace = brought(traced) if traced else None
        if json_length == _NONE or not 0 <= size <= self.body_bytes:  # of a body that is too large nothing is kept
            return None
        if traced and trace is None:  # the state of no trace
            return None
        return Admission(path, told.get(_Kind.TOKEN, b""), json_length, trace)

    def serves(self, admission: Admission) -> Served | None:
        """What answers it now; None without a good token, or if nothing does."""
        expires = self._tokens_seen.get(admission.token) or self._expiry(admission.token)
        return self._catalogue.find(*admission.path) if expires > time.time() else None

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

    def _expiry(self, header: bytes) -> float:
        """Until when a header's token may infer; good ones are remembered."""
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


def _number(value: bytes | None) -> int | None:
    """What a header says; -1 if that is no number, None without one."""
    if value is None:
        return None
    return int(value) if value.isdigit() and len(value) <= _DIGITS else _NONE
