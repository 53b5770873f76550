"""What is wrong with a call is said in a status and in the words of REST."""

import asyncio
import struct
from collections import Counter
from random import Random
from typing import Any

import grpc
import pytest

from services.inference.api.grpc import open_inference_pb2 as pb
from tests.unit.inference.grpc_protocol.caller import (
    LIMIT,
    World,
    block_request,
    small_request,
    tensor,
)

WRONG: list[tuple[pb.ModelInferRequest, str]] = [
    (small_request(inputs=[]), "inputs: at least one input"),
    (small_request(id="x" * 257), "id: a string of 1 to 256 characters"),
    (small_request(inputs=[tensor("temp", [1.0, 2.0], shape=[3])]), "inputs[0].contents.fp32_contents: 3 values, as"),
    (small_request(inputs=[tensor("temp", [300], "INT8")]), "inputs[0].contents.int_contents: within INT8"),
    (small_request(inputs=[tensor("temp", [1.0], shape=[-1])]), "inputs[0].shape: [n] or [n, m], whole numbers"),
    (small_request(inputs=[tensor("temp", [1.0])]), "inputs: an input for the feature 'wind'"),
    (small_request(inputs=[{}] * 10_001), "inputs: at most 10000"),
    (
        small_request(parameters={str(n): {"bool_param": True} for n in range(65)}),
        "parameters: a JSON object of at most 64",
    ),
    (small_request(inputs=[tensor("carrier", [b""] * 100_001, "BYTES")]), "inputs[0].shape: at most 100000 strings"),
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


async def status_of(world: World, body: bytes, **options: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.caller.bytes("ModelInfer", body, **options)
    return caught.value.code()


async def test_bytes_that_are_no_message_are_the_caller_s_fault(world: World) -> None:
    assert await status_of(world, b"\xff\xff\xff") == grpc.StatusCode.INVALID_ARGUMENT


async def test_no_mutant_of_a_message_is_an_error_of_the_server(world: World) -> None:
    random = Random(7)  # noqa: S311  # the same mutants each time
    raw = block_request([struct.pack("<3f", 70, 3, 1)], id="raw").SerializeToString()
    statuses = Counter[grpc.StatusCode]()
    for _ in range(600):
        body = bytearray(random.choice((raw, small_request(id="typed").SerializeToString())))
        for _ in range(random.randint(1, 3)):
            body[random.randrange(len(body))] = random.randrange(256)
        try:
            await world.caller.bytes("ModelInfer", bytes(body[: random.choice((None, random.randrange(len(body))))]))
        except grpc.aio.AioRpcError as error:
            statuses[error.code()] += 1
    assert set(statuses) == {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


async def test_a_message_beyond_the_limit_and_a_compressed_one_are_refused(world: World) -> None:
    assert await status_of(world, bytes(LIMIT + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = block_request([bytes(LIMIT * 10)]).SerializeToString()
    assert await status_of(world, bomb, compression=grpc.Compression.Gzip) == grpc.StatusCode.UNIMPLEMENTED


async def test_while_nothing_can_be_logged_the_caller_is_to_come_again(world: World, full: asyncio.Event) -> None:
    full.set()
    assert await world.caller.refusal(small_request()) == (
        grpc.StatusCode.UNAVAILABLE,
        "predictions can't be logged now; ask again later",
    )


async def test_a_model_that_is_deployed_but_refused_is_unavailable(world: World) -> None:
    world.parts.catalogue.awaits("late", "its bundle was refused")
    status, text = await world.caller.refusal(small_request(model_name="late"))
    assert status == grpc.StatusCode.UNAVAILABLE
    assert text == "model: 'late' is deployed, but its bundle was refused; ask again later"
