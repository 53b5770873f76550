"""Running a service: the HTTP server beside its background tasks, all ended by one signal."""

import asyncio
import signal
import socket
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from structlog import get_logger

from shared.settings import ServiceSettings

log = get_logger()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to `serve`, which has tasks to end as well."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """None captured."""
        yield

    def stop(self) -> None:
        """Finish the requests in hand, then return from `serve`."""
        self.should_exit = True


async def serve(
    app: FastAPI, settings: ServiceSettings, *tasks: Coroutine[Any, Any, None], protocol: Any = "auto"
) -> None:
    """Serve on the settings' host and port and run `tasks` (which run for ever) until SIGTERM or SIGINT.

    `protocol` is what uvicorn takes as `http`. At the end the server finishes its requests first, then the tasks are
    cancelled and awaited.

    Raises:
        SystemExit: host and port can't be listened on, for example since the port is taken; the code is 1.
        Exception: what a task raised, or RuntimeError if it just ended; the process ends with it.
    """
    listener = _listen(settings, tasks)
    server = _server(app, protocol)
    background = [asyncio.create_task(task, name=getattr(task, "__qualname__", "task")) for task in tasks]
    serving = asyncio.create_task(server.serve([listener]))
    log.info("started", host=settings.host, port=settings.port)
    try:
        await asyncio.wait([serving, *background], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = [task.get_name() for task in background if task.done()]
        server.stop()
        await serving
        await _end(background)
    if ended:
        raise RuntimeError(f"{', '.join(ended)} ended by itself")
    log.info("stopped")


def _server(app: FastAPI, protocol: Any) -> _Server:
    config = uvicorn.Config(app, http=protocol, log_config=None, access_log=False, timeout_graceful_shutdown=10)
    server = _Server(config)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    return server


def _listen(settings: ServiceSettings, tasks: tuple[Coroutine[Any, Any, None], ...]) -> socket.socket:
    # Before anything else starts: uvicorn would end the whole process from inside a task.
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2_048)
    except OSError as error:
        log.error("can't listen", host=settings.host, port=settings.port, why=error.strerror or str(error))  # noqa: TRY400
        for task in tasks:
            task.close()
        raise SystemExit(1) from error


async def _end(background: list[asyncio.Task[None]]) -> None:
    for task in background:
        task.cancel()
    results = await asyncio.gather(*background, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            log.error("task failed", error=repr(result), exc_info=result)
            raise result
