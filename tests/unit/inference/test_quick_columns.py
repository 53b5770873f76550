"""The quick reader of one input per feature takes what the careful one takes, as that does, or leaves it to it."""

import json
from typing import Any

import numpy as np
import pytest

from services.inference.domain.asked import from_request
from services.inference.domain.encoder import Encoded, Encoder
from services.inference.domain.quick import Reads
from services.inference.domain.quick_columns import read_quick_columns, read_quick_columns_binary
from services.inference.domain.request import read_request
from shared.definition import parse_definition
from tests.bundles import definition_text
from tests.unit.inference.wire import LENGTH, body_of, sent

DEFINITION = parse_definition(definition_text("small"))
ENCODER = Encoder(DEFINITION, {"carrier": ["AA", "B:B"]})
READS = Reads("small", 0, 10)


def inputs(rows: int = 1, **changed: Any) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"temp": [50.5] * rows, "wind": [10] * rows, "carrier": ["B:B"] * rows} | changed
    return [
        {"name": name, "datatype": "BYTES" if name == "carrier" else "FP32", "shape": [len(data)], "data": data}
        for name, data in given.items()
    ]


def taken(body: dict[str, Any] | bytes) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_quick_columns(READS, ENCODER, text, 7)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"temp": [None]},
        {"temp": [-0.0], "wind": [3.4e38]},
        {"carrier": [None]},
        {"carrier": [""]},
        {"carrier": ["never seen"]},
        {"temp": [1, 2.5, None], "wind": [None, 1e-40, 16_777_217], "carrier": ["AA", None, 'ä:"\\n']},
    ],
)
@pytest.mark.parametrize("column", [False, True], ids=["[n]", "[n, 1]"])
def test_both_readers_read_the_same(changed: dict[str, Any], column: bool) -> None:
    given = inputs(**changed)
    for each in given if column else []:
        each["shape"] = [*each["shape"], 1]
    body = {"id": "a:b", "parameters": {"entity": "N:1", "event_time": "2013-03-15T16:00:00Z"}, "inputs": given}
    quick = taken(body)
    careful = from_request("small", read_request(json.dumps(body).encode()), ENCODER, 7)
    same(quick, careful)


def same(quick: Any, careful: Any) -> None:
    assert isinstance(quick.values, Encoded)
    for one, other in (
        (quick.values.tensor, careful.values.tensor),
        (quick.values.rows.numeric, careful.values.rows.numeric),
        (quick.values.rows.categorical, careful.values.rows.categorical),
    ):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    assert (quick.key, quick.id, quick.rows, quick.subject) == (careful.key, careful.id, careful.rows, careful.subject)
    assert np.datetime64(quick.event_time, "us") == careful.event_time[0]


def binary(**changed: Any) -> tuple[bytes, int]:
    given: dict[str, Any] = {"temp": [50.5], "wind": [10], "carrier": ["B:B"]} | changed
    tensors = [sent(name, data, "BYTES" if name == "carrier" else "FP32") for name, data in given.items()]
    body, headers = body_of(*tensors, id="a:b", parameters={"binary_data_output": True, "entity": "N:1"})
    return body, int(headers[LENGTH])


@pytest.mark.parametrize(
    "changed",
    [{}, {"temp": [np.nan]}, {"carrier": [""]}, {"temp": [1, 2], "wind": [3, np.nan], "carrier": ["AA", "ä:"]}],
)
def test_both_readers_read_the_same_in_binary(changed: dict[str, Any]) -> None:
    body, length = binary(**changed)
    quick = read_quick_columns_binary(READS, ENCODER, body, length, 7)
    assert quick is not None
    assert quick.binary
    same(quick, from_request("small", read_request(body, length), ENCODER, 7))


def test_what_is_wrong_in_binary_is_left_to_the_careful_reader() -> None:
    body, length = binary()

    def is_taken(body: bytes, length: int) -> bool:
        return read_quick_columns_binary(READS, ENCODER, body, length, 7) is not None

    assert is_taken(body, length)
    for wrong in (body[:-1], body + b"x", body[:length] + bytes([255] * (len(body) - length))):
        assert not is_taken(wrong, length)
    for key in (b"id", b"inputs", b"name", b"shape", b"parameters", b"binary_data_size", b"entity"):
        doubled = body[:length].replace(b'"%b":' % key, b'"%b": 1, "%b":' % (key, key), 1)
        assert not is_taken(doubled + body[length:], len(doubled))
    for changed in ({"temp": [np.inf]}, {"temp": [1, 2]}, {"more": [1]}, {"carrier": [b"\xff"]}):
        assert not is_taken(*binary(**changed))
    assert not is_taken(body, len(body) + 1)


@pytest.mark.parametrize(
    "wrong",
    [
        inputs(temp=["50"]),
        inputs(temp=[True]),
        inputs(temp=[1e39]),
        inputs(carrier=[5]),
        inputs(temp=[1, 2]),
        inputs(rows=11),
        inputs()[:2],
        [*inputs(), inputs()[0]],
        [*inputs(), {"name": "more", "datatype": "FP32", "shape": [1], "data": [1]}],
        [{**each, "shape": [1, 1, 1]} for each in inputs()],
        [{**each, "shape": [2]} for each in inputs()],
        [{**each, "datatype": "FP64"} for each in inputs()],
        [{**each, "parameters": {}} for each in inputs()],
        [],
    ],
)
def test_what_is_wrong_or_unusual_is_left_to_the_careful_reader(wrong: list[Any]) -> None:
    assert taken({"inputs": wrong}) is None


@pytest.mark.parametrize("text", [b"NaN", b"1e400", b"Infinity", b'50.5, "x": 1', b'"\\ud800"'])
def test_what_is_no_number_is_left_to_the_careful_reader(text: bytes) -> None:
    body = json.dumps({"inputs": inputs()}).encode()
    assert taken(body) is not None
    assert taken(body.replace(b"50.5", text)) is None


def test_a_key_twice_is_left_to_the_careful_reader() -> None:
    body = json.dumps({"id": "x", "inputs": inputs()}).encode()
    for key in (b"id", b"inputs", b"name", b"datatype", b"shape", b"data"):
        assert taken(body.replace(b'"%b":' % key, b'"%b": 1, "%b":' % (key, key), 1)) is None


def test_another_version_of_the_model_has_its_own_codes() -> None:
    other = Encoder(DEFINITION, {"carrier": ["B:B", "AA"]})
    asked = taken({"inputs": inputs()})
    assert asked.values.rows.categorical.tolist() == [[1]]
    assert asked.read_by(other).values.rows.categorical.tolist() == [[0]]
