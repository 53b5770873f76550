"""Requests of many rows: computed in threads, on the express lane and off it, and refused if they would be late."""

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from services.inference.api.large import LargeRuns, Overloaded
from services.inference.models.loaded import LoadedModel
from shared.features import Float32
from tests.unit.inference.express_server import GOOD, PATH, answer, body, running_server

ROWS = np.zeros((100, 2), np.float32)
LARGE = body(*[[50, 3, 1]] * 30, name="large")


class Model:
    """Takes 20 ms for 100 rows; its answers may take 100 ms."""

    name = "slow"

    row_seconds = 2e-4

    def __init__(self) -> None:
        self.definition = SimpleNamespace(serving=SimpleNamespace(latency_slo_ms=100))

    def run(self, tensor: Float32) -> dict[str, Any]:
        time.sleep(len(tensor) * self.row_seconds)
        return {"rows": len(tensor)}


async def test_those_that_would_be_late_are_refused_and_the_others_are_in_time() -> None:
    runs, model = LargeRuns(), Model()
    began = time.perf_counter()
    ended: list[float] = []

    async def one() -> None:
        await runs.run(model, ROWS)  # type: ignore[arg-type]  # all that is used of a model
        ended.append(time.perf_counter() - began)

    told = await asyncio.gather(*(one() for _ in range(30)), return_exceptions=True)
    refused = [each for each in told if isinstance(each, Overloaded)]
    assert 0 < len(ended) < 30
    assert len(ended) + len(refused) == 30
    await runs.run(model, ROWS)  # type: ignore[arg-type]  # when they are done there is room again


async def test_one_that_is_slower_than_the_objective_by_itself_is_not_refused() -> None:
    runs, model = LargeRuns(), Model()
    for _ in range(3):
        await runs.run(model, np.zeros((1_000, 2), np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("lines", [(), ("Connection: close",)], ids=["express", "normal"])
async def test_a_large_request_is_answered_and_logged(state: Path, block: LoadedModel, lines: tuple[str, ...]) -> None:
    async with running_server(state, block) as server:
        [(status, _, told)] = await server.ask(server.post(LARGE, PATH, *lines))
        assert (status, json.loads(told)["id"]) == (200, "large")
        assert server.logged() == [[50, 3, 1]] * 30


async def test_small_requests_do_not_wait_for_a_large_one(
    state: Path, block: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, gate = block.run, asyncio.Event()
    loop = asyncio.get_running_loop()

    def held(tensor: Float32) -> Any:
        if len(tensor) == 30:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(5)
        return run(tensor)

    monkeypatch.setattr(block, "run", held)
    async with running_server(state, block) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(server.post(LARGE))
        [(status, _, _)] = await server.ask(server.post(GOOD))
        assert status == 200
        gate.set()
        async with asyncio.timeout(5):
            assert (await answer(reader))[0] == 200
        writer.close()


async def test_the_client_is_told_to_ask_again(
    state: Path, block: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> Any:
        raise Overloaded("too many")

    monkeypatch.setattr(LargeRuns, "run", full)
    async with running_server(state, block) as server:
        for lines in ((), ("Connection: close",)):
            [(status, headers, _)] = await server.ask(server.post(LARGE, PATH, *lines))
            assert (status, headers["retry-after"]) == (503, "1")
        assert server.logged() == []
