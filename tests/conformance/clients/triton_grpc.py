"""tritonclient.grpc against the server; it sends all values raw."""

from typing import Any

import numpy as np
from checks import BLOCK, COLUMNS, NOBODY, Case, check, main, refused
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException


def connect(case: Case) -> InferenceServerClient:
    return InferenceServerClient(case.grpc)


def headers(case: Case) -> dict[str, str]:
    return {"authorization": case.bearer}


def columns(rows: int) -> list[InferInput]:
    found = []
    for name, values in COLUMNS.items():
        datatype, dtype = ("BYTES", np.object_) if name == "carrier" else ("FP32", np.float32)
        found.append(InferInput(name, [rows], datatype).set_data_from_numpy(np.array(values[:rows], dtype=dtype)))
    return found


def block(width: int = 3) -> list[InferInput]:
    rows = np.ascontiguousarray(np.array(BLOCK, dtype=np.float32)[:, :width])
    return [InferInput("features", list(rows.shape), "FP32").set_data_from_numpy(rows)]


def ask(case: Case, model: str, inputs: list[InferInput], **options: Any) -> Any:
    return connect(case).infer(model, inputs, **{"headers": headers(case), **options})


def fails(case: Case, status: str, words: str, model: str, inputs: list[InferInput], **options: Any) -> None:
    def said(error: InferenceServerException) -> str:
        return f"{error.status()} {error.message()}"

    refused(InferenceServerException, said, f"StatusCode.{status} {words}", lambda: ask(case, model, inputs, **options))


@check
def the_server_is_live_and_ready(case: Case) -> None:
    assert connect(case).is_server_live() is True
    assert connect(case).is_server_ready() is True


@check
def a_model_is_ready_in_its_version_alone(case: Case) -> None:
    client = connect(case)
    assert client.is_model_ready("small", headers=headers(case)) is True
    assert client.is_model_ready("small", case.digests["small"], headers=headers(case)) is True
    assert client.is_model_ready("small", "0" * 64, headers=headers(case)) is False
    assert client.is_model_ready(NOBODY, headers=headers(case)) is False


@check
def the_server_tells_its_name_and_extensions(case: Case) -> None:
    told = connect(case).get_server_metadata(headers=headers(case), as_json=True)
    assert told["name"] == "driftline"
    assert ("binary_tensor_data" in told.get("extensions", ())) == case.binary


@check
def a_model_tells_its_inputs_outputs_and_version(case: Case) -> None:
    told = connect(case).get_model_metadata("small", headers=headers(case))
    assert list(told.versions) == [case.digests["small"]]
    assert [(each.name, each.datatype) for each in told.inputs] == [
        ("temp", "FP32"),
        ("wind", "FP32"),
        ("carrier", "BYTES"),
    ]
    assert list(told.outputs[1].shape) == [-1, 2]
    assert connect(case).get_model_metadata("small", case.digests["small"], headers=headers(case)) == told


@check
def a_block_in_binary_as_the_client_sends_it_by_default(case: Case) -> None:
    answer = ask(case, "block", block())
    case.same("block", answer.as_numpy("probabilities"))
    assert answer.as_numpy("label").dtype == np.int64


@check
def named_inputs_with_strings_in_binary(case: Case) -> None:
    case.same("small", ask(case, "small", columns(1)).as_numpy("probabilities"), 1)


@check
def several_rows_in_binary(case: Case) -> None:
    case.same("small", ask(case, "small", columns(3)).as_numpy("probabilities"))


@check
def only_the_outputs_asked_for_are_answered(case: Case) -> None:
    answer = ask(case, "block", block(), outputs=[InferRequestedOutput("probabilities")])
    assert [each.name for each in answer.get_response().outputs] == ["probabilities"]
    case.same("block", answer.as_numpy("probabilities"))


@check
def the_id_comes_back_with_model_and_version(case: Case) -> None:
    answer = ask(case, "block", block(), request_id="triton-grpc-1").get_response()
    assert (answer.id, answer.model_name) == ("triton-grpc-1", "block")
    assert answer.model_version == case.digests["block"]


@check
def a_version_is_asked_by_its_digest(case: Case) -> None:
    version = case.digests["block"]
    case.same("block", ask(case, "block", block(), model_version=version).as_numpy("probabilities"))
    fails(case, "NOT_FOUND", "model: model 'block' does not serve", "block", block(), model_version="0" * 64)


@check
def parameters_of_the_request_are_taken(case: Case) -> None:
    told = {"entity": "N1", "event_time": "2013-03-15T16:00:00Z"}
    case.same("block", ask(case, "block", block(), parameters=told).as_numpy("probabilities"))


@check
def an_unknown_model_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, "NOT_FOUND", f"model: no model '{NOBODY}' is deployed", NOBODY, block())


@check
def a_wrong_shape_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, "INVALID_ARGUMENT", "inputs[0].shape: [n, 3] for features", "block", block(2))


@check
def a_missing_token_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, "UNAUTHENTICATED", "authorization: metadata", "block", block(), headers={})


if __name__ == "__main__":
    main()
