"""The disk is full while the broker is away: what can't be logged is counted exactly, or refused, and it ends."""

import asyncio
import resource
from pathlib import Path
from typing import Literal

import pytest

from shared.batch import request_key
from tests.bundles import definition_text, deployment, make_bundle
from tests.fault.steady import Steady
from tests.integration.inference_service import (
    Inference,
    read_predictions,
    running_broker,
    running_inference,
    send,
)
from tests.integration.test_inference_outage import QUEUED

SPACE = 150_000  # bytes
UNLOGGED = 'driftline_inference_unlogged_rows_total{model="small"}'


def leave_on_disk(service: Inference, size: int) -> None:
    """No file of the process may grow beyond `size`: it is told so in the same way as by a full disk."""
    hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("policy", ["refuse", "serve"])
async def test_a_full_disk_loses_no_row_that_is_not_counted(tmp_path: Path, policy: Literal["refuse", "serve"]) -> None:
    text = definition_text().replace("[serving]", f'[serving]\nwhen_log_is_full = "{policy}"')
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path, text)))
        async with running_inference(tmp_path, broker.address, DRIFTLINE_QUEUE_BYTES="0") as service:
            load = Steady(service)
            await broker.stop()
            leave_on_disk(service, SPACE)
            async with load.asking():
                await asyncio.sleep(5)
                assert await service.metric(QUEUED % "spooled") > 0
                leave_on_disk(service, resource.RLIM_INFINITY)
                await asyncio.sleep(2)
                refused = len(load.failed)
                await asyncio.sleep(1)
                assert len(load.failed) == refused, "there is room again"
                await broker.start()
            unlogged, dropped = await service.metric(UNLOGGED), await service.metric(QUEUED % "dropped")
            print(f"disk full, {policy}: {load.told()}; {unlogged:.0f} unlogged, {dropped:.0f} dropped")
            found = {
                key
                for part in (
                    await read_predictions(broker.address, int(len(load.answered) - unlogged - dropped))
                ).values()
                for batch in part
                for key in batch.request_id
            }
            assert found <= {request_key("small", f"r-{number}") for number in load.answered}
            assert len(found) == len(load.answered) - unlogged - dropped
            assert set(load.failed) <= {"503"}
            assert (unlogged == 0) == (policy == "refuse")
