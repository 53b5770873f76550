"""A bound on open connections: each takes a file descriptor, and without one nothing can be sent, loaded or logged."""

import asyncio
import resource
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from structlog import get_logger

log = get_logger()

TURNED_AWAY = Counter("driftline_connections_turned_away_total", "Connections beyond the bound, answered with 503")

_OTHER_FILES = 256  # descriptors for all but connections: Kafka, the spool, models
_PORTS = 2  # there may be one of gRPC beside that of HTTP
_MOST_LINGERING = 64
_LINGER_SECONDS = 1.0
_BODY = b'{"error":"there are as many connections as this service takes; come again"}'
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


def most_connections(wanted: int) -> int:
    """So many for each port, or as many as the process may have descriptors for; the soft limit of these is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _PORTS * wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            log.warning("fewer connections than wanted: the limit of open files is low", wanted=wanted, limit=hard)
            return max(1, (soft - _OTHER_FILES) // _PORTS)
    return wanted


def bounded(protocol: Callable[..., asyncio.Protocol], most: int) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes its protocols with: `protocol`, but for connections beyond `most`."""
    lingering: set[_TurnedAway] = set()

    def made(*arguments: Any, server_state: Any, **options: Any) -> asyncio.Protocol:
        if len(server_state.connections) < most:
            return protocol(*arguments, server_state=server_state, **options)
        TURNED_AWAY.inc()
        return _TurnedAway(lingering)

    return made


class _TurnedAway(asyncio.Protocol):
    """Answers 503 and closes once the client has sent something: if it were still to be read, the kernel would take
    the answer back. For a client that sends nothing it waits a moment, if not too many do that already.
    """

    def __init__(self, lingering: set["_TurnedAway"]) -> None:
        self._lingering = lingering
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Here is a client too many."""
        self._transport = transport
        self._transport.write(_ANSWER)
        if len(self._lingering) >= _MOST_LINGERING:
            self._transport.close()
            return
        self._lingering.add(self)
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """It may read the answer now."""
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Its place is free."""
        self._lingering.discard(self)
