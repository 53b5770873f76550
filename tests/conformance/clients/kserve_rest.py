"""kserve's InferenceRESTClient against the server."""

from typing import Any

import httpx
from checks import NOBODY, Case, check, main
from kserve import InferenceRESTClient, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve_inputs import block, columns, probabilities, request


def connect() -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol="v2"))


async def ask(case: Case, what: InferRequest | dict[str, Any], path: str, token: bool = True) -> Any:
    """`path` is a model's name, with a version perhaps: this client has no other place for it."""
    headers = {"Authorization": case.bearer} if token else {}
    async with connect() as client:
        return await client.infer(f"http://{case.http}", what, model_name=path, headers=headers)


async def fails(case: Case, status: int, words: str, path: str, what: InferRequest, *, token: bool = True) -> None:
    try:
        await ask(case, what, path, token)
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        assert words in str(error), error
    else:
        raise AssertionError("no HTTPStatusError")


@check
async def the_server_is_live_and_ready(case: Case) -> None:
    async with connect() as client:
        assert await client.is_server_live(f"http://{case.http}") is True
        assert await client.is_server_ready(f"http://{case.http}") is True


@check
async def a_model_is_ready_in_its_version_alone(case: Case) -> None:
    async def ready(path: str) -> bool:
        async with connect() as client:
            headers = {"Authorization": case.bearer}
            return bool(await client.is_model_ready(f"http://{case.http}", path, headers=headers))

    assert await ready("small")
    assert await ready(f"small/versions/{case.digests['small']}")
    assert not await ready(f"small/versions/{'0' * 64}")
    assert not await ready(NOBODY)


@check
async def a_block_in_json_is_answered_in_json(case: Case) -> None:
    case.same("block", probabilities(await ask(case, request("block", block(False)), "block")))


@check
async def named_inputs_with_strings_in_json(case: Case) -> None:
    case.same("small", probabilities(await ask(case, request("small", columns(1, False)), "small")), 1)


@check
async def several_rows_in_json(case: Case) -> None:
    case.same("small", probabilities(await ask(case, request("small", columns(3, False)), "small")))


@check
async def a_plain_dict_is_a_request_as_well(case: Case) -> None:
    tensor = {"name": "features", "datatype": "FP32", "shape": [2, 3], "data": [[70, 3, 1], [20, 4, 0.5]]}
    case.same("block", probabilities(await ask(case, {"inputs": [tensor]}, "block")))


@check
async def a_block_in_binary_as_the_client_sends_it_by_default(case: Case) -> None:
    case.need_binary()
    case.same("block", probabilities(await ask(case, request("block", block(True)), "block")))


@check
async def named_inputs_with_strings_in_binary(case: Case) -> None:
    case.need_binary()
    case.same("small", probabilities(await ask(case, request("small", columns(3, True)), "small")))


@check
async def json_in_and_binary_out_and_the_other_way_round(case: Case) -> None:
    case.need_binary()
    for binary in (True, False):
        asked = [RequestedOutput("probabilities", {"binary_data": not binary})]
        case.same(
            "block", probabilities(await ask(case, request("block", block(binary), request_outputs=asked), "block"))
        )
    all_binary = request("block", block(False), parameters={"binary_data_output": True})
    case.same("block", probabilities(await ask(case, all_binary, "block")))


@check
async def only_the_outputs_asked_for_are_answered(case: Case) -> None:
    asked = [RequestedOutput("probabilities")]
    answer = await ask(case, request("block", block(False), request_outputs=asked), "block")
    assert [each.name for each in answer.outputs] == ["probabilities"]


@check
async def the_id_comes_back_with_the_model(case: Case) -> None:
    """The version comes, too; this client forgets it."""
    answer = await ask(case, request("block", block(False), request_id="kserve-1"), "block")
    assert (answer.id, answer.model_name) == ("kserve-1", "block")


@check
async def a_version_is_asked_by_its_digest(case: Case) -> None:
    version = f"block/versions/{case.digests['block']}"
    case.same("block", probabilities(await ask(case, request("block", block(False)), version)))
    nowhere = f"block/versions/{'0' * 64}"
    await fails(case, 404, "model: model 'block' does not serve version", nowhere, request("block", block(False)))


@check
async def parameters_of_the_request_are_taken(case: Case) -> None:
    told = {"entity": "N1", "event_time": "2013-03-15T16:00:00Z"}
    case.same("block", probabilities(await ask(case, request("block", block(False), parameters=told), "block")))


@check
async def an_unknown_model_is_the_client_s_exception_with_our_words(case: Case) -> None:
    await fails(case, 404, f"model: no model '{NOBODY}' is deployed", NOBODY, request(NOBODY, block(False)))


@check
async def a_wrong_shape_is_the_client_s_exception_with_our_words(case: Case) -> None:
    await fails(case, 400, "inputs[0].shape: [n, 3] for features", "block", request("block", block(False, 2)))


@check
async def a_missing_token_is_the_client_s_exception_with_our_words(case: Case) -> None:
    await fails(case, 401, "Authorization: a header", "block", request("block", block(False)), token=False)


if __name__ == "__main__":
    main()
