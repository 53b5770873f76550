"""Bodies that no client library makes: each gets 4xx that names the field, and none is logged."""

import gzip
import json
import math
import random
import struct
import zlib
from typing import Any

import httpx
import pytest

from tests.unit.inference.harness import Service
from tests.unit.inference.wire import LENGTH, Sent, body_of, sent

INFER = "/v2/models/small/infer"
BLOCK = "/v2/models/block/infer"
TEMP = sent("temp", [50.0])
WIND = sent("wind", [10.0])
CARRIER = sent("carrier", ["AA"], "BYTES")
SIZE = "inputs[0].parameters.binary_data_size"


def but(tensor: Sent, content: bytes | None = None, **told: Any) -> Sent:
    """`tensor` with other bytes, or other fields than belong to it."""
    return Sent(tensor.told | told, tensor.content if content is None else content)


def sized(size: Any) -> dict[str, Any]:
    return {"parameters": {"binary_data_size": size}}


def text(content: bytes) -> Sent:
    return but(CARRIER, content, **sized(len(content)))


# The first input and what the error has to name.
INPUTS: list[tuple[Sent, str]] = [
    (but(TEMP, **sized(3)), SIZE),
    (but(TEMP, **sized(5)), SIZE),
    (but(TEMP, **sized(0)), SIZE),
    (but(TEMP, **sized(-4)), SIZE),
    (but(TEMP, **sized(4.0)), SIZE),
    (but(TEMP, **sized("4")), SIZE),
    (but(TEMP, **sized(True)), SIZE),
    (but(TEMP, **sized(10**30)), SIZE),
    (but(TEMP, **sized(None)), "inputs[0].data"),
    (but(TEMP, data=[50.0]), "inputs[0].data"),
    (but(TEMP, shape=[2]), SIZE),
    (but(TEMP, shape=[0], **sized(0)), "inputs[0].shape"),
    (but(TEMP, shape=[-1]), "inputs[0].shape"),
    (but(TEMP, shape=[2**32, 2**32]), SIZE),
    (but(TEMP, shape=[2**63]), "inputs[0].shape"),
    (but(TEMP, shape=[10**4000, 10**4000]), "inputs[0].shape"),
    (but(TEMP, shape=[1, 1, 1]), "inputs[0].shape"),
    (but(TEMP, datatype="FP64"), SIZE),
    (but(TEMP, datatype="BYTES"), "inputs[0].data[0]"),
    (but(TEMP, datatype="BOOL", content=b"\2", **sized(1)), "inputs[0].data"),
    (sent("temp", [math.inf]), "inputs[0].data[0]"),
    (sent("temp", [-math.inf], "FP16"), "inputs[0].data[0]"),
    (sent("temp", [1e39], "FP64"), "inputs[0].data[0]"),
    (sent("temp", ["50"], "BYTES"), "inputs[0].datatype"),
    (text(b""), "inputs[0].data[0]"),
    (text(b"\2\0\0"), "inputs[0].data[0]"),
    (text(b"\3\0\0\0AA"), "inputs[0].data[0]"),
    (text(b"\xff\xff\xff\xffAA"), "inputs[0].data[0]"),
    (text(b"\1\0\0\0AA"), SIZE),
    (text(b"\1\0\0\0\xff"), "inputs[0].data[0]"),
    (text(b"\3\0\0\0\xed\xa0\x80"), "inputs[0].data[0]"),
    (but(CARRIER, shape=[2**40]), "inputs[0].shape"),
]


def others(first: Sent) -> list[Sent]:
    return [each for each in (TEMP, WIND, CARRIER) if each.told["name"] != first.told["name"]]


async def refused(service: Service, path: str, body: bytes, headers: dict[str, str], named: str) -> httpx.Response:
    answer = await service.client.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert named in answer.json()["error"]
    assert service.logged() == []
    return answer


@pytest.mark.parametrize(("first", "named"), INPUTS, ids=[f"{n}-{named}" for n, (_, named) in enumerate(INPUTS)])
async def test_a_binary_input_that_is_wrong_is_named(service: Service, first: Sent, named: str) -> None:
    await refused(service, INFER, *body_of(first, *others(first)), named)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
async def test_an_infinity_in_a_block_is_named(service: Service, value: float) -> None:
    await refused(service, BLOCK, *body_of(sent("features", [1, 2, value], shape=[1, 3])), "inputs[0].data[2]")


@pytest.mark.parametrize("length", ["-1", "", "12.5", "0x10", "١٢", "1e2", "9" * 21, "9" * 19, "100000"])
async def test_a_length_of_json_that_can_not_be_is_named(service: Service, length: str) -> None:
    body, _ = body_of(TEMP, WIND, CARRIER)
    answer = await service.client.post(INFER, content=body, headers=[(LENGTH.encode(), length.encode())])
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(LENGTH)


@pytest.mark.parametrize("off", [-1, 1])
async def test_a_length_of_json_that_is_off_by_one_is_refused(service: Service, off: int) -> None:
    body, headers = body_of(TEMP, WIND, CARRIER)
    await refused(service, INFER, body, {LENGTH: str(int(headers[LENGTH]) + off)}, "body")


async def test_a_body_of_no_json_is_refused(service: Service) -> None:
    await refused(service, INFER, b"\0\0\0\0", {LENGTH: "0"}, "body")


async def test_bytes_without_the_header_are_refused(service: Service) -> None:
    body, _ = body_of(TEMP, WIND, CARRIER)
    await refused(service, INFER, body, {}, "body")


async def test_bytes_that_belong_to_no_input_are_refused(service: Service) -> None:
    body, headers = body_of(TEMP, WIND, CARRIER)
    await refused(service, INFER, body + b"\0", headers, "body")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b'{"inputs": []}', mtime=0)),
        ("deflate", zlib.compress(b'{"inputs": []}')),
        ("gzip, br", b"x"),
        ("GZIP", gzip.compress(b"0" * 1_000_000, mtime=0)),
    ],
)
async def test_a_compressed_body_is_refused_as_it_is(service: Service, encoding: str, body: bytes) -> None:
    answer = await refused(service, INFER, body, {"Content-Encoding": encoding}, "Content-Encoding")
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    await refused(service, INFER, body, {}, "body")


async def test_a_hundred_thousand_strings_are_the_most(service: Service) -> None:
    content = struct.pack("<I", 0) * 100_001
    carrier = but(CARRIER, content, shape=[100_001], **sized(len(content)))
    await refused(service, INFER, *body_of(carrier, TEMP, WIND), "inputs[0].shape")


async def test_a_key_that_stands_twice_is_named_wherever_it_stands(service: Service) -> None:
    body, _ = body_of({"name": "temp", "datatype": "FP32", "shape": [1], "data": [1.0]})
    for name in (b"inputs", b"name", b"datatype", b"shape", b"data"):
        key = b'"' + name + b'"'
        await refused(service, INFER, body.replace(key, key + b" : 1, " + key, 1), {}, name.decode())


async def test_colons_and_quotes_in_texts_are_no_keys(service: Service) -> None:
    told = ['":', ':"', '\\":', "a: b", '"data":']
    columns = [
        {"name": name, "datatype": "FP32", "shape": [len(told)], "data": [1.0] * len(told)} for name in ("temp", "wind")
    ]
    carrier = {"name": "carrier", "datatype": "BYTES", "shape": [len(told)], "data": told}
    answer = await service.client.post(INFER, content=json.dumps({"inputs": [*columns, carrier]}))
    assert answer.status_code == 200


@pytest.mark.parametrize("seed", range(3))
async def test_no_mutation_of_a_binary_body_gets_a_server_error(service: Service, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    good, headers = body_of(sent("temp", [50.0, 60]), sent("wind", [1, 2]), sent("carrier", ["AA", "DL"], "BYTES"))
    statuses = set()
    for _ in range(300):
        at, length = chance.randrange(len(good) + 1), int(headers[LENGTH])
        body = good[:at] + chance.randbytes(chance.randrange(4)) + good[at + chance.randrange(4) :]
        told = length + (len(body) - len(good) if at < length else 0) + chance.choice([0, 0, 0, 0, 1, -1, 40])
        answer = await service.client.post(INFER, content=body, headers={LENGTH: str(told)})
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 400), (body, answer.text)
    assert statuses == {200, 400}
