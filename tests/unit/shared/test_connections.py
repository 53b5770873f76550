"""As many connections as are taken, on a real socket."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from shared.http import serve
from shared.http.connections import TURNED_AWAY, most_connections
from shared.settings import ServiceSettings
from tests.unit.shared.test_server import for_ever, free_settings

MOST = 3
INFINITE = resource.RLIM_INFINITY
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def running(app: FastAPI, settings: ServiceSettings) -> AsyncIterator[None]:
    serving = asyncio.create_task(serve(app, settings, for_ever()))
    try:
        (await connected(settings))[1].close()
        yield
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def connected(settings: ServiceSettings) -> Streams:
    for _ in range(100):
        with contextlib.suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", settings.port)
        await asyncio.sleep(0.05)
    raise AssertionError("it does not listen")


async def asked(streams: Streams) -> bytes:
    streams[1].write(GET % b"")
    async with asyncio.timeout(10):
        return await head(streams[0])


async def head(reader: asyncio.StreamReader) -> bytes:
    told = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(told.partition(b"content-length: ")[2].split()[0]))
    return told


async def test_a_connection_too_many_gets_503_and_those_there_go_on() -> None:
    settings = free_settings().model_copy(update={"connections": MOST})
    async with running(FastAPI(), settings):
        await asyncio.sleep(0.1)  # the first one has left
        before = TURNED_AWAY._value.get()
        there = [await connected(settings) for _ in range(MOST)]
        assert [(await asked(each))[:12] for each in there] == [b"http/1.1 404"] * MOST
        for silent in (False, True):
            more = await connected(settings)
            told = await head(more[0]) if silent else await asked(more)
            assert told.startswith(b"http/1.1 503")
            assert b"retry-after: 1" in told
            async with asyncio.timeout(10):
                await more[0].read()  # to its end
        assert TURNED_AWAY._value.get() == before + 2
        assert (await asked(there[0])).startswith(b"http/1.1 404")
        there[0][1].close()
        await asyncio.sleep(0.1)
        assert (await asked(await connected(settings))).startswith(b"http/1.1 404")


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "most"),
    [
        (INFINITE, INFINITE, None, 2_048),
        (20_000, 20_000, None, 2_048),
        (1_024, 20_000, 4_352, 2_048),
        (1_024, INFINITE, 4_352, 2_048),
        (1_024, 1_024, 1_024, 384),
        (100, 100, 100, 1),
    ],
)
def test_the_limit_of_open_files_is_raised_or_bounds_the_connections(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, most: int
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    assert most_connections(2_048) == most
    assert told == ([] if raised is None else [(raised, hard)])


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_a_client_that_reads_nothing_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.http.server._UNREAD_SECONDS", 1)
    app, gone = FastAPI(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
                await asyncio.sleep(0)  # once nobody is there uvicorn takes all at once
        finally:
            gone.set()

    @app.get("/endless")
    async def answer() -> StreamingResponse:
        return StreamingResponse(endless())

    settings = free_settings()
    async with running(app, settings):
        reader, writer = await connected(settings)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % b"endless")
        async with asyncio.timeout(30):
            await gone.wait()
        assert not reader.at_eof()
        writer.transport.abort()
