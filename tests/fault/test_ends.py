"""inference ends, of itself or not, while clients ask: what was answered is logged, and SIGTERM fails no request."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.inference.api.grpc import open_inference_pb2 as pb
from shared.batch import request_key
from tests.bundles import deployment, make_bundle
from tests.fault.steady import FULL, Steady
from tests.integration.inference_service import (
    Inference,
    read_predictions,
    running_broker,
    running_inference,
    send,
)
from tests.integration.kafka_helpers import free_port
from tests.unit.inference.grpc_protocol.caller import small_request

# And whether each request has a connection of its own.
MODES = [("fast", True), ("fast", False), ("durable", False), ("durable", True)]


async def logged(kafka: str, rows: int) -> set[bytes]:
    batches = await read_predictions(kafka, rows)
    return {key for part in batches.values() for batch in part for key in batch.request_id}


def keys(load: Steady) -> set[bytes]:
    return {request_key("small", f"r-{number}") for number in load.answered}


async def killed_under_load(service: Inference, load: Steady, seconds: float) -> None:
    load.ended = False
    async with load.asking():
        await asyncio.sleep(seconds)
        await service.end(signal.SIGKILL)


async def test_in_mode_durable_every_answered_request_survives_kill_9(tmp_path: Path) -> None:
    times = 20 if FULL else 2
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        async with running_inference(tmp_path, broker.address, DRIFTLINE_MODE="durable") as service:
            load, random_ = Steady(service), random.Random(5)  # noqa: S311  # moments to kill at
            for _ in range(times):
                await killed_under_load(service, load, random_.uniform(0.3, 1.5))
                await service.start()
            answered = keys(load)
            assert len(answered) > 50 * times
            missing = answered - await logged(broker.address, len(answered))
            print(f"durable: {times} times kill -9, {len(answered)} answered, {len(missing)} of them not on the topic")
            assert not missing


async def test_in_mode_fast_kill_9_loses_at_most_what_was_gathered(tmp_path: Path) -> None:
    times, rate, gathered = 20 if FULL else 2, 500, 0.025
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        # No queue: a message is in the file as soon as it was gathered
        async with running_inference(tmp_path, broker.address, DRIFTLINE_QUEUE_BYTES="0") as service:
            load = Steady(service, rate)
            lost: list[int] = []
            for _ in range(times):
                before = len(load.answered)
                await killed_under_load(service, load, 1)
                await service.start()
                most = sum(lost) + load.most_within(4 * gathered)
                missing = keys(load) - await logged(broker.address, len(load.answered) - most)
                lost.append(len(missing) - sum(lost))
                assert len(load.answered) > before + 50
            print(f"fast: lost at each of {times} times kill -9: {lost}, gathered are {rate * gathered:.0f}")
            assert max(lost) <= load.most_within(4 * gathered)


@pytest.mark.parametrize(("mode", "reconnects"), MODES if FULL else MODES[:1])
async def test_sigterm_fails_no_request(tmp_path: Path, mode: str, reconnects: bool) -> None:
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        async with running_inference(tmp_path, broker.address, DRIFTLINE_MODE=mode) as service:
            load = Steady(service, reconnects=reconnects)
            for _ in range(10 if FULL else 1):
                load.ended = False
                async with load.asking():
                    await asyncio.sleep(1)
                    code = await service.end()
                assert code == 0, service.said()
                await service.start()
            print(f"SIGTERM, {mode}, connections {'anew' if reconnects else 'kept'}: {load.told()}")
            assert load.failed == []
            assert keys(load) == await logged(broker.address, len(load.answered))


async def test_sigterm_finishes_every_call_of_grpc_that_was_taken(tmp_path: Path) -> None:
    port = free_port()
    async with running_broker(tmp_path) as broker:
        await send(broker.address, deployment(tmp_path, make_bundle(tmp_path)))
        async with running_inference(tmp_path, broker.address, DRIFTLINE_GRPC_PORT=str(port)) as service:
            calls = Calls(service, port)
            for _ in range(10 if FULL else 1):
                calls.ended = False
                tasks = [asyncio.create_task(calls.client()) for _ in range(8)]
                await asyncio.sleep(1)
                code = await service.end()
                calls.ended = True
                await asyncio.gather(*tasks)
                assert code == 0, service.said()
                await service.start()
            stopped = 10 if FULL else 1
            print(
                f"SIGTERM x {stopped}, gRPC: {calls.answered} answered, {calls.early} not taken, {calls.failed} failed"
            )
            assert calls.failed == []
            assert calls.answered == len(await logged(broker.address, calls.answered))


class Calls:
    """gRPC clients that call one after the other.

    `failed` holds what was not answered by a server that was there. `early` counts the calls that gRPC's core had not
    handed over when the server began to stop: it answers these with CANCELLED itself (grpc/grpc#41785), no Python sees
    them, nothing of them is logged, and a client may repeat them.
    """

    def __init__(self, service: Inference, port: int) -> None:
        self._metadata = [("authorization", service.client.headers["Authorization"])]
        self._address = f"127.0.0.1:{port}"
        self.answered, self.early, self.ended = 0, 0, False
        self.failed: list[str] = []

    async def client(self) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            infer: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while not self.ended:
                try:
                    answer = await infer(small_request().SerializeToString(), metadata=self._metadata, timeout=20)
                    assert pb.ModelInferResponse.FromString(answer).model_name == "small"
                    self.answered += 1
                except grpc.aio.AioRpcError as error:
                    if error.code() is grpc.StatusCode.CANCELLED:
                        self.early += 1
                    elif "Connection refused" not in str(error.debug_error_string()):
                        self.failed.append(f"{error.code()}: {error.details()}")
                await asyncio.sleep(0.01)
