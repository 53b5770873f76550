"""Connections of the express lane: pieces, pipelines, clients that are slow or leave, overload, and the end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.inference.api.express import protocol
from services.inference.models.loaded import LoadedModel
from shared.features import Float32
from tests.unit.inference.express_server import GOOD, Server, answer, body, running_server


@pytest.fixture
async def server(state: Path, block: LoadedModel) -> AsyncIterator[Server]:
    async with running_server(state, block) as server:
        yield server


@pytest.mark.parametrize("cut", range(1, 420, 7))
async def test_a_request_may_come_in_any_two_pieces(server: Server, cut: int) -> None:
    request = server.post(GOOD)
    cut = cut * len(request) // 420
    [(status, _, _)] = await server.ask(request[:cut], request[cut:])
    assert status == 200
    assert len(server.logged()) == 1


async def test_pipelined_requests_are_answered_in_their_order_whichever_way_they_take(server: Server) -> None:
    metadata = server.post(b"", "/v2/models/block", method="GET")
    requests = [
        server.post(body([1, 2, 3], name="first")),
        server.post(b"{"),
        server.post(body([2, 2, 3], name="second")),
        metadata,
        server.post(body(*[[3, 2, 3]] * 30, name="large")),
        server.post(body([4, 2, 3], name="fourth")),
        metadata,
    ]
    stream = b"".join(requests * 3)
    for size in (len(stream), 700, 61):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        told = await server.ask(*pieces, answers=len(requests) * 3)
        names = [json.loads(content).get("id") or status for status, _, content in told]
        assert names == ["first", 400, "second", 200, "large", "fourth", 200] * 3


async def test_what_would_come_too_late_is_refused_at_once(
    server: Server, block: LoadedModel, monkeypatch: Any
) -> None:
    run = block.run

    def slow(tensor: Float32) -> Any:
        time.sleep(0.001 * len(tensor))
        return run(tensor)

    monkeypatch.setattr(block, "run", slow)  # its objective is 50 ms
    stream = b"".join(server.post(body([number, 2, 3])) for number in range(100))
    statuses = [[status for status, _, _ in await server.ask(stream, answers=100)] for _ in range(3)]
    assert statuses[0].count(200) == statuses[1].count(200) == 100  # once may be a pause
    answered = statuses[2].count(200)
    assert 16 <= answered <= 30
    assert statuses[2] == [200] * answered + [503] * (100 - answered)
    assert len(server.logged()) == sum(each.count(200) for each in statuses)


async def test_a_client_that_leaves_in_the_midst_harms_nobody(server: Server) -> None:
    for cut in (40, 300, 500):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(server.post(GOOD)[:cut])
        await writer.drain()
        writer.transport.abort()
    [(status, _, _)] = await server.ask(server.post(GOOD))
    assert status == 200


async def test_an_endless_head_is_refused(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /v2/models/block/infer HTTP/1.1\r\nX: ")
    for _ in range(3):
        writer.write(b"x" * 40_000)
        await asyncio.sleep(0.01)
    assert (await reader.readline()).startswith(b"HTTP/1.1 431")
    writer.close()


async def test_slow_and_idle_connections_are_closed(server: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr(protocol, "_READ_SECONDS", 0.2)
    monkeypatch.setattr("services.inference.api.express.lane._TIDY_SECONDS", 0.1)
    slow, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(server.post(GOOD)[:-5])
    async with asyncio.timeout(5):
        assert (await slow.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_at_the_end_every_request_is_answered(server: Server) -> None:
    failed: list[str] = []

    async def client() -> int:
        answered = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while True:
            writer.write(server.post(GOOD))
            try:
                status, headers, _ = await answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                failed.append(repr(error))
                return answered
            answered += status == 200
            if headers.get("connection") == "close":
                writer.close()
                return answered

    clients = [asyncio.create_task(client()) for _ in range(8)]
    await asyncio.sleep(0.2)
    server.running.should_exit = True
    answered = await asyncio.gather(*clients)
    assert failed == []
    assert sum(answered) == len(server.logged())
