"""The start and the end of the gRPC server."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.inference.api.app import Parts
from services.inference.api.core import Predicted
from services.inference.api.grpc.server import open_server, run_server
from services.inference.models.catalogue import Served
from services.inference.settings import InferenceSettings
from tests.unit.inference.grpc_protocol.caller import (
    World,
    calling,
    free_port,
    small_request,
)


async def test_a_port_that_is_taken_ends_the_start(world: World) -> None:
    with pytest.raises(SystemExit):
        open_server(world.settings, world.parts)


async def test_a_connection_too_many_is_closed_and_those_there_go_on(state: Path, parts: Parts) -> None:
    settings = InferenceSettings(state=state, grpc_port=free_port(), connections=2)
    serving = asyncio.create_task(run_server(open_server(settings, parts)))
    async with calling(settings.grpc_port, state) as caller:
        await caller.infer(small_request())
        others = [await asyncio.open_connection("127.0.0.1", settings.grpc_port) for _ in range(2)]
        async with asyncio.timeout(10):
            await asyncio.wait([asyncio.create_task(each[0].read()) for each in others], return_when="FIRST_COMPLETED")
        await caller.infer(small_request())
        for _, writer in others:
            writer.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


class SlowCore:
    """Answers when it may."""

    def __init__(self) -> None:
        self.begun, self.may = asyncio.Event(), asyncio.Event()

    async def predict(self, served: Served, *_: Any) -> Predicted:
        self.begun.set()
        await self.may.wait()
        return Predicted(served.model, "slow", {})


async def test_calls_in_hand_are_finished_when_the_server_stops(state: Path, parts: Parts) -> None:
    core = SlowCore()
    settings = InferenceSettings(state=state, grpc_port=free_port())
    serving = asyncio.create_task(run_server(open_server(settings, replace(parts, core=core))))  # type: ignore[arg-type]
    async with calling(settings.grpc_port, state) as caller:
        asked = asyncio.create_task(caller.infer(small_request()))
        await core.begun.wait()
        serving.cancel()
        await asyncio.sleep(0.1)
        core.may.set()
        assert (await asked).id == "slow"
        await asyncio.gather(serving, return_exceptions=True)
        assert (await caller.refusal(small_request()))[0] == grpc.StatusCode.UNAVAILABLE
