"""A client of the express lane that does harm, or is just unlucky, harms nobody else, and gets what it is due."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from services.inference.models.loaded import LoadedModel
from tests.unit.inference.express_server import GOOD, PATH, Server, answer, body, running_server

NO_URLS = [
    b"GET http://a:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
]


async def statuses(server: Server, *requests: bytes) -> list[int | None]:
    """Of one answer to each, sent at the same time on connections of their own; None if there is none."""
    connections = [await asyncio.open_connection("127.0.0.1", server.port) for _ in requests]
    for (_, writer), request in zip(connections, requests, strict=True):
        writer.write(request)
    found: list[int | None] = []
    for reader, writer in connections:
        try:
            async with asyncio.timeout(3):
                found.append((await answer(reader))[0])
        except (TimeoutError, asyncio.IncompleteReadError):
            found.append(None)
        writer.close()
    return found


@pytest.mark.parametrize("bad", NO_URLS)
@pytest.mark.parametrize("full", [False, True], ids=["logged", "refused"])
async def test_a_url_that_is_none_behind_a_good_request_ends_only_its_own_connection(
    state: Path, block: LoadedModel, bad: bytes, full: bool
) -> None:
    async with running_server(state, block, is_full=lambda: full) as server:
        posts = [server.post(body([number, 2, 3], name=f"n{number}")) for number in range(6)]
        posts[2] += bad
        assert await statuses(server, *posts) == [503 if full else 200] * 6
        assert sorted(row[0] for row in server.logged()) == ([] if full else [0, 1, 2, 3, 4, 5])
        told = await server.ask(server.post(GOOD) + bad, answers=2)
        assert [status for status, _, _ in told] == [503 if full else 200, 400]


@pytest.mark.parametrize("bad", NO_URLS)
async def test_nor_does_it_in_mode_durable(state: Path, block: LoadedModel, bad: bytes) -> None:
    async with running_server(state, block, durable=5) as server:
        posts = [server.post(body([number, 2, 3], name=f"n{number}")) for number in range(6)]
        posts[2] += bad
        asking = asyncio.create_task(statuses(server, *posts))
        while not server.kafka.waiting:  # noqa: ASYNC110  # the fake has no event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        server.kafka.settle()
        assert await asking == [200] * 6


async def test_the_body_before_it_is_no_part_of_a_head(state: Path, block: LoadedModel) -> None:
    async with running_server(state, block) as server:
        second = server.post(body([2, 2, 3]))
        stream = server.post(body([1, 2, 3]) + b" " * 90_000) + second[:30]
        told = await server.ask(stream, second[30:], answers=2)
        assert [status for status, _, _ in told] == [200, 200]
        [(status, _, _)] = await server.ask(b"GET / HTTP/1.1\r\n", *[b"a: %b\r\n" % (b"b" * 9_000)] * 8)
        assert status == 431


async def test_a_connection_that_waits_for_kafka_is_not_idle(
    state: Path, block: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_server(state, block, durable=5) as server:
        monkeypatch.setattr(server.running.config, "timeout_keep_alive", 0.1)
        asking = asyncio.create_task(server.ask(server.post(b"{") + server.post(GOOD), answers=2))
        await asyncio.sleep(0.5)
        server.kafka.settle()
        assert [status for status, _, _ in await asking] == [400, 200]


async def test_no_more_is_read_of_a_client_while_many_of_its_requests_wait(state: Path, block: LoadedModel) -> None:
    async with running_server(state, block, durable=20) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(server.post(body([number, 2, 3]) + b" " * 20_000) for number in range(300)))
        await asyncio.sleep(0.5)
        [connection] = server.lane.connections
        held: Any = connection
        assert 64 <= len(held._waiting) < 150  # nothing else tells it
        assert sum(len(exchange.body) for exchange in held._waiting) == 0  # they are read
        for _ in range(300):
            while not reader._buffer:  # type: ignore[attr-defined]
                server.kafka.settle()
                await asyncio.sleep(0.005)
            assert (await answer(reader))[0] == 200
        writer.close()
        assert len(server.logged()) == 300


@pytest.mark.parametrize("known", [False, True])
async def test_of_two_tokens_it_is_the_normal_way_that_chooses(state: Path, block: LoadedModel, known: bool) -> None:
    async with running_server(state, block) as server:
        request = server.post(GOOD, PATH, f"Authorization: Bearer {server.token}", token="rubbish")
        told = await server.ask(*[request] * (1 + known), answers=1 + known)
        assert {status for status, _, _ in told} == {401}


async def test_what_stands_behind_the_body_is_no_header(state: Path, block: LoadedModel) -> None:
    chunked = b"%x\r\n%b\r\n0\r\nInference-Header-Content-Length: 5\r\n\r\n" % (len(GOOD), GOOD)
    async with running_server(state, block) as server:
        for lines in (("Transfer-Encoding: chunked",), ("Transfer-Encoding: chunked", "tracestate: a=1")):
            [(status, _, told)] = await server.ask(server.post(chunked, PATH, *lines))
            assert (status, json.loads(told)["id"]) == (200, "one")
