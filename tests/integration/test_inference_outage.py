"""inference while its broker is away: nobody notices, and nothing is lost."""

import asyncio
import signal
from pathlib import Path

from shared.batch import PredictionBatch, request_key
from tests.bundles import deployment, make_bundle
from tests.integration.inference_service import (
    Load,
    read_predictions,
    request,
    running_broker,
    running_inference,
    send,
)

QUEUED = 'driftline_publisher_rows_total{outcome="%s",topic="driftline.predictions"}'


def assert_each_once(batches: dict[int, list[PredictionBatch]], numbers: list[int]) -> None:
    found = [key for part in batches.values() for batch in part for key in batch.request_id]
    assert len(found) == len(set(found)), "a row is on the topic twice"
    assert set(found) == {request_key("small", f"r-{number}") for number in numbers}


def assert_order(batches: dict[int, list[PredictionBatch]]) -> None:
    for part in batches.values():
        sequences = [batch.meta.sequence for batch in part]
        assert sequences == sorted(sequences)


async def test_no_request_fails_and_no_row_is_lost_while_the_broker_is_away(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        # A queue of 20 kB, so that the spool has its part
        async with running_inference(tmp_path, broker.address, DRIFTLINE_QUEUE_BYTES="20000") as service:
            load = Load(service)
            async with load.going_on():
                await asyncio.sleep(1)
                await broker.stop()
                away = len(load.answers)
                await asyncio.sleep(15)
                labels = [{"request_id": "r-1", "value": 1.0, "event_time": "2013-03-15T18:00:00Z"}]
                refused = await service.client.post("/v1/models/small/labels", json=labels)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
                assert len(load.answers) > away + 100
                await broker.start()
                await asyncio.sleep(3)
            assert load.failed == []
            batches = await read_predictions(broker.address, len(load.answers))
            assert_each_once(batches, list(load.answers))
            assert_order(batches)
            assert await service.metric(QUEUED % "spooled") > 0
            assert await service.metric(QUEUED % "acknowledged") == len(load.answers)
            assert await service.metric(QUEUED % "dropped") == 0
            again = await service.client.post("/v1/models/small/labels", json=labels)
            assert again.status_code == 202


async def test_what_was_spooled_survives_kill_9_and_a_stop_without_a_broker(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        # No queue at all: every message goes by the spool
        async with running_inference(tmp_path, broker.address, DRIFTLINE_QUEUE_BYTES="0") as service:

            async def answer(first: int, last: int) -> None:
                for number in range(first, last):
                    posted = await service.client.post("/v2/models/small/infer", json=request(number))
                    assert posted.status_code == 200
                await asyncio.sleep(1)  # gathered and written

            await broker.stop()
            await answer(0, 50)
            await service.end(signal.SIGKILL)
            await broker.start()
            await service.start()
            assert_each_once(await read_predictions(broker.address, 50), list(range(50)))
            await broker.stop()
            await answer(50, 100)
            assert await service.end() == 0, service.said()
            await broker.start()
            await service.start()
            assert_each_once(await read_predictions(broker.address, 100), list(range(100)))
