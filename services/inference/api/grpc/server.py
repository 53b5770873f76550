"""The gRPC server, beside the HTTP server on the same event loop."""

import asyncio

import grpc
from structlog import get_logger

from services.inference.api.app import Parts
from services.inference.api.grpc.calls import handlers
from services.inference.settings import InferenceSettings
from shared.http import most_connections
from shared.tokens import TokenVerifier

log = get_logger()

_GRACE = 5.0  # seconds for the calls in hand
_CALLS = 1_000  # at once; the next is refused
_PLAIN = 1  # a set of one algorithm, no compression: a message of some bytes could open to gigabytes


def open_server(settings: InferenceSettings, parts: Parts) -> grpc.aio.Server:
    """A server that listens on the settings' host and `grpc_port`; `run_server` starts it.

    A message may be as large as a body over HTTP.

    Raises:
        SystemExit: host and port can't be listened on, for example since the port is taken; the code is 1.
    """
    options = (
        ("grpc.max_receive_message_length", settings.body_bytes),
        ("grpc.max_allowed_incoming_connections", most_connections(settings.connections)),  # one more is closed
        ("grpc.compression_enabled_algorithms_bitset", _PLAIN),
        # A client keeps its connection for ever, and so its replica: now and then it must look for one anew.
        ("grpc.max_connection_age_ms", int(settings.grpc_connection_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", int(_GRACE * 1_000)),
        ("grpc.so_reuseport", 0),  # else two services would share a port, and no one would know
    )
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_CALLS)
    server.add_generic_rpc_handlers((handlers(parts, TokenVerifier(settings.trust)),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError as error:
        log.error("can't listen", host=settings.host, port=settings.grpc_port, why=str(error))  # noqa: TRY400
        raise SystemExit(1) from error
    return server


async def run_server(server: grpc.aio.Server) -> None:
    """Serve until cancelled; then take no new calls and finish those in hand."""
    await server.start()
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop(_GRACE)
