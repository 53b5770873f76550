"""The broker goes away, or hangs, while clients ask 500 times a second: nobody notices, each row is logged once."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.bundles import deployment, make_bundle
from tests.fault.steady import FULL, Memory, Steady
from tests.integration.inference_service import (
    Inference,
    read_predictions,
    running_broker,
    running_inference,
    send,
)
from tests.integration.test_inference_outage import QUEUED, assert_each_once, assert_order

WAITING = 'driftline_publisher_waiting_rows{topic="driftline.predictions",where="%s"}'
MOST_MEMORY = 64  # MB
SETTLED = 3  # seconds of load after which a process has what it needs


async def seconds_until_drained(service: Inference) -> float:
    """How long until what waited is acknowledged, apart from what is being asked now."""
    begun = time.monotonic()

    async def drained() -> bool:
        return await service.metric(WAITING % "spool") == 0 and await service.metric(WAITING % "memory") < 100

    await service.until(drained)
    return time.monotonic() - begun


async def assert_all_is_logged(kafka: str, load: Steady, service: Inference) -> None:
    assert load.failed == []
    batches = await read_predictions(kafka, len(load.answered))
    assert_each_once(batches, list(load.answered))
    assert_order(batches)
    assert await service.metric(QUEUED % "dropped") == 0


@pytest.mark.skipif(not FULL, reason="an outage of some seconds is in tests/integration/test_inference_outage.py")
@pytest.mark.parametrize("seconds", [30, 60])
@pytest.mark.parametrize("queue", [32 * 2**20, 100_000], ids=["queue", "spool"])
async def test_a_broker_that_is_down_fails_no_request_and_loses_no_row(
    tmp_path: Path, seconds: float, queue: int
) -> None:
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        async with running_inference(tmp_path, broker.address, DRIFTLINE_QUEUE_BYTES=str(queue)) as service:
            load = Steady(service)
            async with load.asking():
                await asyncio.sleep(SETTLED)
                async with Memory(service.process.pid).watched() as memory:
                    await broker.stop()
                    await asyncio.sleep(seconds)
                    spooled = await service.metric(WAITING % "spool")
                    await broker.start()
                    drained = await seconds_until_drained(service)
                await asyncio.sleep(0.5)
            print(f"down {seconds} s: {load.told()}; memory +{memory.grown:.0f} MB, spooled {spooled:.0f} rows", end="")
            print(f", drained {drained:.1f} s after its return")
            await assert_all_is_logged(broker.address, load, service)
            assert memory.grown <= MOST_MEMORY
            assert (spooled > 0) == (queue < 2**20)


@pytest.mark.parametrize("seconds", [30] if FULL else [10])
async def test_a_broker_that_hangs_gets_every_row_once(tmp_path: Path, seconds: float) -> None:
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        async with running_inference(tmp_path, broker.address) as service:
            load = Steady(service)
            async with load.asking():
                await asyncio.sleep(SETTLED)
                broker.signal(signal.SIGSTOP)
                await asyncio.sleep(seconds)
                broker.signal(signal.SIGCONT)
                drained = await seconds_until_drained(service)
                await asyncio.sleep(0.5)
            print(f"hung {seconds} s: {load.told()}; drained {drained:.1f} s after it went on")
            await assert_all_is_logged(broker.address, load, service)
