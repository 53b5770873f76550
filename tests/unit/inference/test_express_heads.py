"""A head that came before, to the byte, is not parsed again; what is done with the request is the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.inference.api.express import protocol
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel, load
from shared.bundle import open_bundle
from shared.signing import load_private_key
from shared.tokens import issue
from tests.bundles import definition_text, make_bundle
from tests.unit.inference.express_server import GOOD, PATH, Server, answer, body, running_server


class Parsed:
    """How many requests were parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        begin = protocol.ExpressProtocol.on_message_begin

        def counted(connection: Any) -> None:
            self.count += 1
            begin(connection)

        monkeypatch.setattr(protocol.ExpressProtocol, "on_message_begin", counted)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    return Parsed(monkeypatch)


@pytest.fixture
async def server(parsed: Parsed, state: Path, block: LoadedModel) -> AsyncIterator[Server]:
    async with running_server(state, block) as server:
        yield server


async def asked(server: Server, *requests: bytes) -> list[tuple[int, Any]]:
    """Each sent when the one before is answered, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    told: list[tuple[int, Any]] = []
    for request in requests:
        writer.write(request)
        async with asyncio.timeout(5):
            status, _, content = await answer(reader)
        told.append((status, json.loads(content)))
    writer.close()
    return told


async def test_it_is_parsed_once_on_all_connections(server: Server, parsed: Parsed) -> None:
    names = [f"n{number}" for number in range(6)]
    posts = [server.post(body([number, 2, 3], name=name)) for number, name in enumerate(names)]
    told = await asked(server, *posts[:3]) + await asked(server, *posts[3:])
    assert [(status, content["id"]) for status, content in told] == [(200, name) for name in names]
    assert server.logged() == [[number, 2, 3] for number in range(6)]
    assert parsed.count == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{" + GOOD[1:-1] + b" ", 400), (GOOD.replace(b"FP32", b"FP64"), 400), (GOOD.replace(b"50", b"5 "), 200)],
)
async def test_a_body_that_is_wrong_behind_it_takes_the_normal_way(server: Server, content: bytes, status: int) -> None:
    assert len(content) == len(GOOD)
    told = await asked(server, server.post(GOOD), server.post(content), server.post(GOOD))
    assert [found for found, _ in told] == [200, status, 200]


async def test_more_or_less_than_one_request_behind_it_is_parsed(server: Server, parsed: Parsed) -> None:
    request = server.post(GOOD)
    await asked(server, request)
    told = await server.ask(request + request[:-5], request[-5:], answers=2)
    assert [status for status, _, _ in told] == [200, 200]
    told = await server.ask(request + request + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", answers=3)
    assert [status for status, _, _ in told] == [200, 200, 404]
    assert parsed.count == 1 + 2 + 3
    assert len(server.logged()) == 5


async def test_a_body_in_chunks_is_not_taken_for_one_of_known_length(server: Server) -> None:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    request = server.post(chunked, PATH, "Transfer-Encoding: chunked")
    assert [status for status, _ in await asked(server, request, request, server.post(GOOD))] == [200] * 3
    assert len(server.logged()) == 3


async def test_its_token_may_have_expired_since(server: Server, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue(load_private_key(state / "keys" / "governance.pem"), "a", "client", 1)
    request = server.post(GOOD, token=token)
    assert [status for status, _ in await asked(server, request, request)] == [200, 200]
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert [status for status, _ in await asked(server, request)] == [401]


async def test_another_version_may_serve_since(server: Server, state: Path, block: LoadedModel) -> None:
    request = server.post(GOOD, f"/v2/models/block/versions/{block.digest}/infer")
    assert [status for status, _ in await asked(server, request, request)] == [200, 200]
    digest = make_bundle(state, definition_text("block", numeric=True, max_rows=51), "small_binary_a")
    other = load(open_bundle(state / "bundles", digest, state / "trust"))
    server.catalogue.publish(Served(other, "champion", 2))
    plain = server.post(GOOD)
    told = await asked(server, request, plain, plain)
    assert [status for status, _ in told] == [404, 200, 200]
    assert [content["model_version"] for _, content in told[1:]] == [digest] * 2
