"""kserve's InferenceGRPCClient against the server; it sends typed contents as well as raw ones."""

from typing import Any

import grpc
from checks import NOBODY, Case, check, main
from kserve import InferenceGRPCClient, InferRequest
from kserve.protocol.infer_type import RequestedOutput
from kserve_inputs import block, columns, probabilities, request


def metadata(case: Case) -> list[tuple[str, str]]:
    return [("authorization", case.bearer)]


async def ask(case: Case, what: InferRequest, token: bool = True) -> Any:
    async with InferenceGRPCClient(case.grpc) as client:
        return await client.infer(what, headers=metadata(case) if token else [])


async def fails(case: Case, status: grpc.StatusCode, words: str, what: InferRequest, token: bool = True) -> None:
    try:
        await ask(case, what, token)
    except grpc.RpcError as error:
        assert error.code() == status, error
        assert words in error.details(), error
    else:
        raise AssertionError("no RpcError")


@check
async def the_server_is_live_and_ready(case: Case) -> None:
    async with InferenceGRPCClient(case.grpc) as client:
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True


@check
async def a_model_is_ready(case: Case) -> None:
    async with InferenceGRPCClient(case.grpc) as client:
        assert await client.is_model_ready("small", headers=metadata(case)) is True
        assert await client.is_model_ready(NOBODY, headers=metadata(case)) is False


@check
async def a_block_in_typed_contents(case: Case) -> None:
    case.same("block", probabilities(await ask(case, request("block", block(False)))))


@check
async def named_inputs_with_strings_in_typed_contents(case: Case) -> None:
    case.same("small", probabilities(await ask(case, request("small", columns(3, False)))))


@check
async def a_block_in_binary_as_the_client_sends_it_by_default(case: Case) -> None:
    case.same("block", probabilities(await ask(case, request("block", block(True)))))


@check
async def named_inputs_with_strings_in_binary(case: Case) -> None:
    case.same("small", probabilities(await ask(case, request("small", columns(3, True)))))


@check
async def only_the_outputs_asked_for_are_answered(case: Case) -> None:
    answer = await ask(case, request("block", block(True), request_outputs=[RequestedOutput("probabilities")]))
    assert [each.name for each in answer.outputs] == ["probabilities"]


@check
async def the_id_comes_back_with_model_and_version(case: Case) -> None:
    answer = await ask(case, request("block", block(True), request_id="kserve-2", model_version=case.digests["block"]))
    assert (answer.id, answer.model_name, answer.model_version) == ("kserve-2", "block", case.digests["block"])


@check
async def an_unknown_model_is_the_client_s_exception_with_our_words(case: Case) -> None:
    words = f"model: no model '{NOBODY}' is deployed"
    await fails(case, grpc.StatusCode.NOT_FOUND, words, request(NOBODY, block(True)))


@check
async def a_wrong_shape_is_the_client_s_exception_with_our_words(case: Case) -> None:
    words = "inputs[0].shape: [n, 3] for features"
    await fails(case, grpc.StatusCode.INVALID_ARGUMENT, words, request("block", block(True, 2)))


@check
async def a_missing_token_is_the_client_s_exception_with_our_words(case: Case) -> None:
    await fails(case, grpc.StatusCode.UNAUTHENTICATED, "authorization: metadata", request("block", block(True)), False)


if __name__ == "__main__":
    main()
