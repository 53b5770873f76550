"""200 slow connections, and bodies that no client library makes, while others ask: nobody else notices."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from tests.bundles import definition_text, deployment, make_bundle
from tests.fault.harm import BODIES
from tests.fault.steady import FULL, Memory, Steady
from tests.fault.test_broker_away import SETTLED
from tests.integration.inference_service import ROOT, Inference, running_broker, running_inference, send

MOST_MEMORY = 128  # MB; two bodies of 100 MB are always on their way


@contextlib.asynccontextmanager
async def harm(service: Inference) -> AsyncIterator[dict[str, Any]]:
    """Harm is done while the body runs; the dict is filled after it."""
    told: dict[str, Any] = {}
    command = (sys.executable, "-m", "tests.fault.harm", service.url.rpartition(":")[2])
    process = await asyncio.create_subprocess_exec(
        *command, service.client.headers["Authorization"],
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"there\n"
        yield told
        said, _ = await process.communicate(b"")
        told.update(json.loads(said))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def p99(load: Steady) -> float:
    """In milliseconds."""
    seconds = sorted(load.answered.values())
    return round(seconds[int(len(seconds) * 0.99)] * 1_000, 1)


async def test_clients_that_do_harm_get_no_server_error_and_others_do_not_notice(tmp_path: Path) -> None:
    rounds, seconds, rate = (5, 35, 500) if FULL else (1, 3, 200)
    small = make_bundle(tmp_path)
    block = make_bundle(tmp_path, definition_text("block", numeric=True))
    quiet: list[Steady] = []
    harmed: list[Steady] = []
    answers: list[dict[str, Any]] = []
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, small), deployment(tmp_path, block, model="block"))
        async with running_inference(tmp_path, broker.address) as service:
            await service.until_it_serves("small", small)
            await service.until_it_serves("block", block)
            numbers = count()
            await asked(service, rate, numbers, SETTLED)
            async with Memory(service.process.pid).watched() as memory:
                for _ in range(rounds):
                    quiet.append(await asked(service, rate, numbers, seconds))
                    async with harm(service) as told:
                        harmed.append(await asked(service, rate, numbers, seconds))
                    answers.append(told)
            ratio = median(p99(there) / p99(before) for before, there in zip(quiet, harmed, strict=True))
            print(
                f"\np99 without {[p99(load) for load in quiet]} ms, with harm {[p99(load) for load in harmed]} ms",
                end="",
            )
            print(f": x {ratio:.2f}, median of {rounds}")
            print(f"memory +{memory.grown:.0f} MB; last round: {harmed[-1].told()}; {answers[-1]}")
            assert {status for load in (*quiet, *harmed) for status in load.failed} <= {"503"}
            for told in answers:
                assert_no_server_error(told)
            assert memory.grown <= MOST_MEMORY
            assert "Traceback" not in service.said()
            if FULL:
                assert ratio <= 2


async def asked(service: Inference, rate: float, numbers: Any, seconds: float) -> Steady:
    load = Steady(service, rate, numbers=numbers)
    async with load.asking():
        await asyncio.sleep(seconds)
    return load


def assert_no_server_error(told: dict[str, Any]) -> None:
    wrong = {
        name: statuses
        for name, statuses in told["bodies"].items()
        if not statuses or not {int(status) for status in statuses} <= BODIES[name].right | {503}
    }
    assert wrong == {}
    assert {status for statuses in told["slow"].values() for status in statuses} <= {"0", "408"}
