"""Running a service: the HTTP server beside its background tasks, all ended by one signal."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from structlog import get_logger

from shared.http.connections import bounded, most_connections
from shared.settings import ServiceSettings

log = get_logger()


_HANDSHAKE_SECONDS = 2.0  # for a TLS client that came at the very end
_UNREAD_SECONDS = 60  # after which a client that reads nothing of its answer is gone for the kernel


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to `serve`, which has tasks to end as well, and that turns nobody away at its end."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener.dup()  # what uvicorn closes first stays open by it

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """None captured."""
        yield

    def stop(self) -> None:
        """Finish the requests in hand, then return from `serve`."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First take in the clients whose connections the kernel has accepted and we have not: it would reset them."""
        for server in self.servers:
            server.close()
        with self._listener:
            late = list(_accepted(self._listener))
        await asyncio.gather(*map(self._welcome, late), return_exceptions=True)
        await asyncio.sleep(0)  # what the event loop had accepted itself becomes a connection in its next turn
        await super().shutdown(sockets)

    async def _welcome(self, client: socket.socket) -> None:
        config, patience = self.config, _HANDSHAKE_SECONDS if self.config.ssl else None
        protocol: Any = config.http_protocol_class  # made as uvicorn itself makes one
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol(config=config, server_state=self.server_state, app_state=self.lifespan.state),
            client,
            ssl=config.ssl,
            ssl_handshake_timeout=patience,
        )


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    listener.setblocking(False)
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # there are no more
            return
        client.setblocking(False)
        yield client


async def serve(
    app: FastAPI, settings: ServiceSettings, *tasks: Coroutine[Any, Any, None], protocol: Any = "auto"
) -> None:
    """Serve on the settings' host and port and run `tasks` (which run for ever) until SIGTERM or SIGINT.

    `protocol` is what uvicorn takes as `http`. At the end the server finishes its requests first, then the tasks are
    cancelled and awaited.

    Raises:
        SystemExit: host and port can't be listened on, for example since the port is taken, or the TLS certificate or
            key can't be read; the code is 1.
        Exception: what a task raised, or RuntimeError if it just ended; the process ends with it.
    """
    try:
        listener = _listen(settings)
        server = _Server(_config(app, settings, protocol), listener)
    except SystemExit:
        for task in tasks:
            task.close()
        raise
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    log.info("started", host=settings.host, port=settings.port)
    await _run(server, listener, tasks)
    log.info("stopped")


async def _run(server: _Server, listener: socket.socket, tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Until the server is stopped, or one of them ends."""
    background = [asyncio.create_task(task, name=getattr(task, "__qualname__", "task")) for task in tasks]
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.wait([serving, *background], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = [task.get_name() for task in background if task.done()]
        server.stop()
        await serving
        await _end(background)
    if ended:
        raise RuntimeError(f"{', '.join(ended)} ended by itself")


def _config(app: FastAPI, settings: ServiceSettings, protocol: Any) -> uvicorn.Config:
    config = uvicorn.Config(
        app, http=protocol, log_config=None, access_log=False, timeout_graceful_shutdown=10, **_tls(settings)
    )
    try:
        config.load()
    except OSError as error:  # ssl's errors are some, too
        log.error("can't serve TLS", certificate=str(settings.tls_certificate), why=error.strerror or str(error))  # noqa: TRY400
        raise SystemExit(1) from error
    config.http_protocol_class = bounded(config.http_protocol_class, most_connections(settings.connections))  # type: ignore[assignment]
    return config


def _tls(settings: ServiceSettings) -> dict[str, Any]:
    if settings.tls_certificate is None:
        return {}
    needs = ssl.CERT_NONE if settings.tls_client_ca is None else ssl.CERT_REQUIRED
    return {
        "ssl_certfile": settings.tls_certificate,
        "ssl_keyfile": settings.tls_key,
        "ssl_ca_certs": settings.tls_client_ca,
        "ssl_cert_reqs": needs,
    }


def _listen(settings: ServiceSettings) -> socket.socket:
    # Before anything else starts: uvicorn would end the whole process from inside a task.
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2_048)
    except OSError as error:
        log.error("can't listen", host=settings.host, port=settings.port, why=error.strerror or str(error))  # noqa: TRY400
        raise SystemExit(1) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections have it from their listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1_000)
    return listener


async def _end(background: list[asyncio.Task[None]]) -> None:
    for task in background:
        task.cancel()
    results = await asyncio.gather(*background, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            log.error("task failed", error=repr(result), exc_info=result)
            raise result
