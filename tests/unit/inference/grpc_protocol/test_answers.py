"""The Open Inference Protocol over gRPC: what REST answers, in its messages."""

import struct

import numpy as np

from services.inference.api.grpc import open_inference_pb2 as pb
from services.inference.models.loaded import LoadedModel
from shared.batch import decode_batch
from tests.unit.inference.grpc_protocol.caller import (
    World,
    block_request,
    small_request,
    tensor,
)


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
    world.parts.core.accounting.log.flush()
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


async def test_rows_tell_the_trace_in_the_calls_metadata(world: World) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for value in (trace, "nonsense"):
        await world.caller.infer(small_request(), more={"traceparent": value})
        world.parts.core.accounting.log.flush()
    await world.caller.infer(small_request())
    world.parts.core.accounting.log.flush()
    assert [decode_batch(value).traceparent for value in world.kafka.values] == [[trace], None, None]
