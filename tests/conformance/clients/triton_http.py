"""tritonclient.http against the server."""

from typing import Any

import numpy as np
from checks import BLOCK, COLUMNS, NOBODY, Case, check, main, refused
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException


def connect(case: Case) -> InferenceServerClient:
    return InferenceServerClient(case.http)


def headers(case: Case) -> dict[str, str]:
    return {"Authorization": case.bearer}


def columns(rows: int, binary: bool) -> list[InferInput]:
    found = []
    for name, values in COLUMNS.items():
        datatype, dtype = ("BYTES", np.object_) if name == "carrier" else ("FP32", np.float32)
        each = InferInput(name, [rows], datatype)
        found.append(each.set_data_from_numpy(np.array(values[:rows], dtype=dtype), binary_data=binary))
    return found


def block(binary: bool, width: int = 3) -> list[InferInput]:
    rows = np.array(BLOCK, dtype=np.float32)[:, :width]
    return [InferInput("features", list(rows.shape), "FP32").set_data_from_numpy(rows, binary_data=binary)]


def outputs(binary: bool, *names: str) -> list[InferRequestedOutput]:
    return [InferRequestedOutput(name, binary_data=binary) for name in names or ("label", "probabilities")]


def ask(case: Case, model: str, inputs: list[InferInput], **options: Any) -> Any:
    return connect(case).infer(model, inputs, **{"headers": headers(case), **options})


def fails(case: Case, words: str, model: str, inputs: list[InferInput], **options: Any) -> None:
    refused(InferenceServerException, lambda error: error.message(), words, lambda: ask(case, model, inputs, **options))


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
    told = connect(case).get_server_metadata(headers=headers(case))
    assert told["name"] == "driftline"
    assert ("binary_tensor_data" in told["extensions"]) == case.binary


@check
def a_model_tells_its_inputs_outputs_and_version(case: Case) -> None:
    told = connect(case).get_model_metadata("small", headers=headers(case))
    assert told["versions"] == [case.digests["small"]]
    assert [(each["name"], each["datatype"]) for each in told["inputs"]] == [
        ("temp", "FP32"),
        ("wind", "FP32"),
        ("carrier", "BYTES"),
    ]
    assert told["outputs"][1] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
    assert connect(case).get_model_metadata("small", case.digests["small"], headers=headers(case)) == told


@check
def a_block_in_json_is_answered_in_json(case: Case) -> None:
    answer = ask(case, "block", block(binary=False), outputs=outputs(False))
    case.same("block", answer.as_numpy("probabilities"))
    assert "data" in answer.get_output("probabilities")


@check
def named_inputs_with_strings_in_json(case: Case) -> None:
    case.same("small", ask(case, "small", columns(1, False), outputs=outputs(False)).as_numpy("probabilities"), 1)


@check
def several_rows_in_json(case: Case) -> None:
    case.same("small", ask(case, "small", columns(3, False), outputs=outputs(False)).as_numpy("probabilities"))


@check
def a_block_in_binary_as_the_client_sends_it_by_default(case: Case) -> None:
    case.need_binary()
    answer = ask(case, "block", block(binary=True))
    case.same("block", answer.as_numpy("probabilities"))
    assert answer.as_numpy("label").dtype == np.int64
    assert answer.get_output("probabilities")["parameters"]["binary_data_size"] == 16


@check
def named_inputs_with_strings_in_binary(case: Case) -> None:
    case.need_binary()
    case.same("small", ask(case, "small", columns(3, True)).as_numpy("probabilities"))


@check
def json_in_and_binary_out_and_the_other_way_round(case: Case) -> None:
    case.need_binary()
    case.same("block", ask(case, "block", block(False), outputs=outputs(True)).as_numpy("probabilities"))
    case.same("block", ask(case, "block", block(True), outputs=outputs(False)).as_numpy("probabilities"))


@check
def only_the_outputs_asked_for_are_answered(case: Case) -> None:
    answer = ask(case, "block", block(False), outputs=outputs(False, "probabilities"))
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["probabilities"]


@check
def the_id_comes_back_with_model_and_version(case: Case) -> None:
    answer = ask(case, "block", block(False), outputs=outputs(False), request_id="triton-http-1").get_response()
    assert (answer["id"], answer["model_name"]) == ("triton-http-1", "block")
    assert answer["model_version"] == case.digests["block"]


@check
def a_version_is_asked_by_its_digest(case: Case) -> None:
    version = case.digests["block"]
    case.same(
        "block",
        ask(case, "block", block(False), outputs=outputs(False), model_version=version).as_numpy("probabilities"),
    )
    fails(case, "does not serve version", "block", block(False), outputs=outputs(False), model_version="0" * 64)


@check
def parameters_of_the_request_are_taken(case: Case) -> None:
    told = {"entity": "N1", "event_time": "2013-03-15T16:00:00Z"}
    case.same(
        "block", ask(case, "block", block(False), outputs=outputs(False), parameters=told).as_numpy("probabilities")
    )


@check
def an_unknown_model_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, f"model: no model '{NOBODY}' is deployed", NOBODY, block(False), outputs=outputs(False))


@check
def a_wrong_shape_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, "inputs[0].shape: [n, 3] for features", "block", block(False, 2), outputs=outputs(False))


@check
def a_missing_token_is_the_client_s_exception_with_our_words(case: Case) -> None:
    fails(case, "Authorization: a header", "block", block(False), outputs=outputs(False), headers={})


if __name__ == "__main__":
    main()
