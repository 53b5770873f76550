"""The Open Inference Protocol over gRPC: what REST answers, in its messages and statuses."""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import pytest

from services.inference.api.app import Parts
from services.inference.api.core import Core
from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.api.grpc.server import open_server, run_server
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from services.inference.settings import InferenceSettings
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import decode_batch
from shared.http import Health
from tests.unit.inference.grpc_caller import Caller, block_request, calling, free_port, small_request, tensor
from tests.unit.inference.harness import Kafka

LIMIT = 100_000


class World(NamedTuple):
    caller: Caller
    parts: Parts
    kafka: Kafka
    settings: InferenceSettings


@pytest.fixture
def parts(small: LoadedModel, block: LoadedModel, kafka: Kafka) -> Parts:
    catalogue = Catalogue()
    for model in (small, block):
        catalogue.publish(Served(model, "champion", 1))
    log = PredictionLog(kafka.enqueue, "test", GatherPolicy(60, 4_096))
    return Parts(Health(), catalogue, Core(log, RecentIds(1_000), 256), LabelSender(kafka.send, 1))


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def world(state: Path, parts: Parts, kafka: Kafka) -> AsyncIterator[World]:
    settings = InferenceSettings(state=state, grpc_port=free_port(), body_bytes=LIMIT)
    serving = asyncio.create_task(run_server(open_server(settings, parts)))
    async with calling(settings.grpc_port, state) as caller:
        yield World(caller, parts, kafka, settings)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def probabilities(model: LoadedModel, *rows: list[float]) -> list[float]:
    found: list[float] = model.run(np.array(rows, dtype=np.float32))["probabilities"].ravel().tolist()
    return found


async def test_typed_contents_are_answered_with_typed_contents(world: World, small: LoadedModel) -> None:
    answer = await world.caller.infer(small_request(id="a-1"))
    label, scores = answer.outputs
    assert (answer.model_name, answer.model_version, answer.id) == ("small", small.digest, "a-1")
    assert (label.name, label.datatype, list(label.shape)) == ("label", "INT64", [1])
    assert (scores.name, scores.datatype, list(scores.shape)) == ("probabilities", "FP32", [1, 2])
    assert list(scores.contents.fp32_contents) == probabilities(small, [50, 10, 0])
    assert list(label.contents.int64_contents) == [int(scores.contents.fp32_contents[1] > 0.5)]
    assert not answer.raw_output_contents


async def test_raw_contents_are_answered_with_raw_contents(world: World, block: LoadedModel) -> None:
    rows = np.array([[70, 3, 1], [20, 4, 0.5]], dtype="<f4")
    answer = await world.caller.infer(block_request([rows.tobytes()], [2, 3]))
    assert [output.HasField("contents") for output in answer.outputs] == [False, False]
    assert np.frombuffer(answer.raw_output_contents[1], "<f4").tolist() == probabilities(block, *rows.tolist())
    assert len(answer.raw_output_contents[0]) == 2 * 8


async def test_raw_strings_carry_their_length(world: World, small: LoadedModel) -> None:
    request = small_request(raw_input_contents=[struct.pack("<f", 50), b"\x0a", struct.pack("<I", 2) + b"AA"])
    for each in request.inputs:
        each.ClearField("contents")
    answer = await world.caller.infer(request)
    assert np.frombuffer(answer.raw_output_contents[1], "<f4").tolist() == probabilities(small, [50, 10, 0])


async def test_each_answer_is_logged_as_one_of_rest(world: World) -> None:
    request = small_request(id="logged")
    request.parameters["event_time"].string_param = "2013-03-15T16:00:00Z"
    request.parameters["entity"].string_param = "N1"
    await world.caller.infer(request)
    await world.caller.infer(request)
    world.parts.core.log.flush()
    (batch,) = map(decode_batch, world.kafka.values)
    assert list(batch.entity) == ["N1", "N1"]
    assert list(batch.repeat) == [False, True]
    assert batch.rows.numeric.tolist() == [[50, 10]] * 2
    assert set(batch.event_time.tolist()) == {np.datetime64("2013-03-15T16:00", "us").item()}


async def test_outputs_versions_and_foreign_parameters_are_honoured(world: World, small: LoadedModel) -> None:
    request = small_request(model_version=small.digest, outputs=[{"name": "probabilities"}])
    request.parameters["priority"].int64_param = 3
    answer = await world.caller.infer(request)
    assert [output.name for output in answer.outputs] == ["probabilities"]
    assert answer.parameters["ignored"].string_param == "priority"
    assert len(answer.id) == 36


async def test_nan_is_a_missing_value(world: World, block: LoadedModel) -> None:
    answer = await world.caller.infer(
        pb.ModelInferRequest(model_name="block", inputs=[tensor("features", [float("nan"), 3, 1], shape=[1, 3])])
    )
    assert list(answer.outputs[1].contents.fp32_contents) == probabilities(block, [float("nan"), 3, 1])


WRONG: list[tuple[pb.ModelInferRequest, str]] = [
    (small_request(inputs=[]), "inputs: at least one input"),
    (small_request(id="x" * 257), "id: a string of 1 to 256 characters"),
    (small_request(inputs=[tensor("temp", [1.0, 2.0], shape=[3])]), "inputs[0].contents: 12 bytes, 3 of FP32"),
    (small_request(inputs=[tensor("temp", [300], "INT8")]), "inputs[0].contents.int_contents: within INT8"),
    (small_request(inputs=[tensor("temp", [1.0], shape=[-1])]), "inputs[0].shape: [n] or [n, m], whole numbers"),
    (small_request(inputs=[tensor("temp", [1.0])]), "inputs: an input for the feature 'wind'"),
    (small_request(outputs=[{"name": "x"}]), "outputs[0].name: one of label, probabilities"),
    (
        small_request(
            inputs=[{"name": "temp", "datatype": "FP32", "shape": [1], "contents": {"bool_contents": [True]}}]
        ),
        "inputs[0].contents: values of FP32 in fp32_contents",
    ),
    (
        small_request(inputs=[{"name": "temp", "datatype": "FP16", "shape": [1]}]),
        "inputs[0].contents: nothing: FP16 goes in raw_input_contents",
    ),
    (small_request(inputs=[{"name": "temp", "datatype": "FP8", "shape": [1]}]), "inputs[0].datatype: one of"),
    (small_request(raw_input_contents=[b"1234"]), "raw_input_contents: 3 of them, one for each input, not 1"),
    (small_request(raw_input_contents=[b"1234"] * 3), "inputs[0].contents: nothing, for there are raw_input_contents"),
    (block_request([b"1234"]), "raw_input_contents[0]: 12 bytes, 3 of FP32 as shape says, not 4"),
    (block_request([struct.pack("<3f", 1, float("inf"), 1)]), "raw_input_contents[0][1]: a finite number"),
    (block_request([bytes(12 * 60)], [60, 3]), "inputs[0].shape: at most 50 rows in a request"),
    (block_request([bytes(8)], [1, 2]), "inputs[0].shape: [n, 3] for features"),
]


@pytest.mark.parametrize(("request_", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
async def test_a_wrong_request_is_told_its_field_and_what_was_expected(
    world: World, request_: pb.ModelInferRequest, words: str
) -> None:
    status, text = await world.caller.refusal(request_)
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith(words)


@pytest.mark.parametrize(("model", "version"), [("nobody", ""), ("small", "0" * 64)])
async def test_what_does_not_serve_is_not_found(world: World, model: str, version: str) -> None:
    status, text = await world.caller.refusal(small_request(model_name=model, model_version=version))
    assert status == grpc.StatusCode.NOT_FOUND
    assert text.startswith(f"model: no model '{model}'" if model == "nobody" else "model: model 'small' does not serve")
    ready = await world.caller.ask(
        "ModelReady", pb.ModelReadyRequest(name=model, version=version), pb.ModelReadyResponse
    )
    assert not ready.ready


async def test_a_call_needs_a_token_of_a_role_that_may(world: World) -> None:
    assert await world.caller.refusal(small_request(), role=None) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "authorization: metadata `authorization: Bearer <token>` is needed",
    )
    assert await world.caller.refusal(small_request(), role="viewer") == (
        grpc.StatusCode.PERMISSION_DENIED,
        "authorization: role client, not viewer",
    )
    told = await world.caller.ask(
        "ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse, role="viewer"
    )
    assert told.name == "driftline"


async def test_health_needs_no_token(world: World) -> None:
    async def ready() -> bool:
        request = pb.ServerReadyRequest()
        return (await world.caller.ask("ServerReady", request, pb.ServerReadyResponse, role=None)).ready

    live = await world.caller.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse, role=None)
    assert (live.live, await ready()) == (True, False)
    world.parts.health.ready()
    assert await ready()


async def test_a_model_says_what_it_takes_and_gives(world: World, small: LoadedModel) -> None:
    told = await world.caller.ask("ModelMetadata", pb.ModelMetadataRequest(name="small"), pb.ModelMetadataResponse)
    assert (told.name, list(told.versions), told.platform) == ("small", [small.digest], "onnx_onnxv1")
    assert [(each.name, each.datatype, list(each.shape)) for each in told.inputs] == [
        ("temp", "FP32", [-1]),
        ("wind", "FP32", [-1]),
        ("carrier", "BYTES", [-1]),
    ]
    assert [each.name for each in told.outputs] == ["label", "probabilities"]
    ready = await world.caller.ask("ModelReady", pb.ModelReadyRequest(name="small"), pb.ModelReadyResponse)
    assert ready.ready


async def status_of(world: World, body: bytes, **options: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.caller.bytes("ModelInfer", body, **options)
    return caught.value.code()


async def test_bytes_that_are_no_message_are_the_caller_s_fault(world: World) -> None:
    assert await status_of(world, b"\xff\xff\xff") == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_beyond_the_limit_and_a_compressed_one_are_refused(world: World) -> None:
    assert await status_of(world, bytes(LIMIT + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = block_request([bytes(LIMIT * 10)]).SerializeToString()
    assert await status_of(world, bomb, compression=grpc.Compression.Gzip) == grpc.StatusCode.UNIMPLEMENTED


async def test_a_port_that_is_taken_ends_the_start(world: World) -> None:
    with pytest.raises(SystemExit):
        open_server(world.settings, world.parts)


class SlowCore:
    """Answers when it may."""

    def __init__(self) -> None:
        self.begun, self.may = asyncio.Event(), asyncio.Event()

    async def predict(self, *_: Any) -> tuple[str, dict[str, Any]]:
        self.begun.set()
        await self.may.wait()
        return "slow", {}


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
