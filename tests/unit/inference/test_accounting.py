"""No answer without its event: mode durable, and what happens when the log is full; on both ways."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.inference.models.loaded import LoadedModel
from shared.batch import decode_batch
from shared.features import Float32
from tests.unit.inference.express_server import PATH, Server, answer, body, running_server

BODY = json.dumps(
    {"id": "one", "inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
).encode()
WAYS = pytest.mark.parametrize("lines", [(), ("Connection: close",)], ids=["express", "normal"])


async def posted(server: Server, lines: tuple[str, ...]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(server.post(BODY, PATH, *lines))
    async with asyncio.timeout(5):
        while not server.kafka.waiting:  # noqa: ASYNC110  # the fake has no event
            await asyncio.sleep(0.005)
    return reader, writer


@WAYS
async def test_a_durable_answer_comes_when_its_rows_are_safe(
    state: Path, block: LoadedModel, lines: tuple[str, ...]
) -> None:
    async with running_server(state, block, durable=5) as server:
        reader, writer = await posted(server, lines)
        waiting = asyncio.create_task(answer(reader))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        server.kafka.settle()
        status, _, told = await waiting
        assert (status, json.loads(told)["id"]) == (200, "one")
        assert len(server.logged()) == 1
        writer.close()


@WAYS
@pytest.mark.parametrize("patience", [0.05, 5.0])
async def test_what_can_not_be_made_safe_is_answered_with_503(
    state: Path, block: LoadedModel, lines: tuple[str, ...], patience: float
) -> None:
    async with running_server(state, block, durable=patience) as server:
        reader, writer = await posted(server, lines)
        if patience > 1:
            server.kafka.settle(safe=False)
        status, headers, told = await answer(reader)
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert "again" in json.loads(told)["error"]
        server.kafka.settle()  # too late to matter
        writer.close()


@WAYS
async def test_with_a_full_log_requests_are_refused_or_served_and_counted_as_the_model_says(
    state: Path, block: LoadedModel, lines: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    async with running_server(state, block, is_full=lambda: full) as server:
        [(status, headers, _)] = await server.ask(server.post(BODY, PATH, *lines))
        assert (status, "retry-after" in headers) == (503, True)
        serving = block.definition.serving.model_copy(update={"when_log_is_full": "serve"})
        monkeypatch.setattr(block, "definition", block.definition.model_copy(update={"serving": serving}))
        before = unlogged()
        [(status, _, _)] = await server.ask(server.post(BODY, PATH, *lines))
        assert (status, unlogged() - before, server.logged()) == (200, 1, [])
        full = False
        [(status, _, _)] = await server.ask(server.post(BODY, PATH, *lines))
        assert (status, len(server.logged())) == (200, 1)


def unlogged() -> float:
    return REGISTRY.get_sample_value("driftline_inference_unlogged_rows_total", {"model": "block"}) or 0


@WAYS
async def test_who_asks_again_because_nothing_was_logged_is_answered_for_the_first_time(
    state: Path, block: LoadedModel, lines: tuple[str, ...]
) -> None:
    async with running_server(state, block, durable=5) as server:
        for safe, expected in ((False, 503), (True, 200), (True, 200)):
            reader, writer = await posted(server, lines)
            server.kafka.settle(safe=safe)
            assert (await answer(reader))[0] == expected
            writer.close()
        server.log.flush()
        repeats = [bool(flag) for value in server.kafka.values for flag in decode_batch(value).repeat]
        assert repeats == [False, False, True]


@pytest.mark.parametrize("rows", [1, 30], ids=["small", "large"])
@WAYS
async def test_a_log_that_is_full_after_the_computation_refuses_too(
    state: Path, block: LoadedModel, lines: tuple[str, ...], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, run = False, block.run

    def filling(tensor: Float32) -> Any:
        nonlocal full
        full = True
        return run(tensor)

    monkeypatch.setattr(block, "run", filling)
    async with running_server(state, block, is_full=lambda: full) as server:
        [(status, headers, _)] = await server.ask(server.post(body(*[[1, 2, 3]] * rows), PATH, *lines))
        assert (status, "retry-after" in headers, server.logged()) == (503, True, [])
