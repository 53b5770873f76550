"""The express lane answers as the normal way does, in the order of the requests, and leaves to it what is unusual."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.inference.models.loaded import LoadedModel
from shared.features import Float32
from tests.unit.inference.express_server import GOOD, PATH, Server, answer, body, running_server

CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)


@pytest.fixture
async def server(state: Path, small: LoadedModel, block: LoadedModel) -> AsyncIterator[Server]:
    async with running_server(state, small, block) as server:
        yield server


def probabilities(told: bytes) -> list[float]:
    found: list[float] = json.loads(told)["outputs"][1]["data"]
    return found


async def test_a_plain_request_is_answered_and_logged(server: Server, block: LoadedModel) -> None:
    [(status, headers, told)] = await server.ask(server.post(GOOD))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert "date" in headers
    read = json.loads(told)
    assert (read["id"], read["model_name"], read["model_version"]) == ("one", "block", block.digest)
    expected = block.run(np.array([[50, 3, 1]], np.float32))["probabilities"]
    assert np.array(probabilities(told), np.float32).tolist() == expected.ravel().tolist()
    assert server.logged() == [[50, 3, 1]]


async def test_both_ways_answer_the_same(server: Server) -> None:
    [(_, _, quick)] = await server.ask(server.post(GOOD))
    [(_, _, normal)] = await server.ask(server.post(GOOD, PATH, "Connection: close"))
    assert quick == normal


@pytest.mark.parametrize(
    ("content", "lines", "status"),
    [
        (CHUNKED, ("Transfer-Encoding: chunked",), 200),
        (GOOD, ("Connection: close",), 200),
        (GOOD, ("Expect: 100-continue",), 100),
        (GOOD, ("Content-Encoding: gzip",), 415),
        (b"{", (), 400),
        (b"", (), 400),
        (body([1, 2, 1e39]), (), 400),
        (body([1, 2]), (), 400),
        (body([1, 2, 3], parameters={"event_time": "yesterday"}), (), 400),
        (b" " * 100_001, (), 413),
    ],
)
async def test_what_is_unusual_or_wrong_is_answered_as_ever(
    server: Server, content: bytes, lines: tuple[str, ...], status: int
) -> None:
    [(found, _, _)] = await server.ask(server.post(content, PATH, *lines)) if status != 100 else [(100, {}, b"")]
    assert found == status
    if status == 100:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(server.post(GOOD, PATH, *lines))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        assert (await answer(reader))[0] == 200
        writer.close()
    assert len(server.logged()) == (status in (100, 200))


def raw(rows: Float32, name: str, *, answer_in_binary: bool = True) -> tuple[bytes, str]:
    """A body with a binary tensor, and the header line that tells how much of it is JSON."""
    tensor = {
        "name": "features",
        "datatype": "FP32",
        "shape": rows.shape,
        "parameters": {"binary_data_size": rows.nbytes},
    }
    told = json.dumps({"id": name, "inputs": [tensor], "parameters": {"binary_data_output": answer_in_binary}}).encode()
    return told + rows.tobytes(), f"Inference-Header-Content-Length: {len(told)}"


@pytest.mark.parametrize("rows", [1, 3])
async def test_binary_tensors_are_answered_in_binary_the_same_on_both_ways(
    server: Server, block: LoadedModel, rows: int
) -> None:
    features = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    features[0, 1] = np.nan  # missing
    content, line = raw(features, "one")
    [(status, headers, quick)] = await server.ask(server.post(content, PATH, line))
    [(_, other, normal)] = await server.ask(server.post(content, PATH, line, "Connection: close"))
    assert (status, quick) == (200, normal)
    length = "inference-header-content-length"
    assert headers[length] == other[length]
    assert headers["content-type"] == other["content-type"] == "application/octet-stream"
    told = json.loads(quick[: int(headers[length])])
    assert [output["parameters"]["binary_data_size"] for output in told["outputs"]] == [8 * rows, 8 * rows]
    expected = block.run(features)
    assert quick[int(headers[length]) :] == b"".join(output.tobytes() for output in expected.values())


async def test_json_and_binary_requests_share_a_turn(server: Server) -> None:
    features = np.array([[1, 2, 3]], np.float32)
    requests = []
    for number in range(4):
        content, line = raw(features, f"r{number}", answer_in_binary=number % 2 == 0)
        requests += [server.post(content, PATH, line), server.post(body([1, 2, 3], name=f"j{number}"))]
    told = await server.ask(b"".join(requests), answers=8)
    assert [status for status, _, _ in told] == [200] * 8
    kinds = [headers["content-type"].split("/")[1] for _, headers, _ in told]
    assert kinds == ["octet-stream", "json", "json", "json"] * 2
    assert len(server.logged()) == 8


@pytest.mark.parametrize("length", ["0", "5", "x", "99999", "-1", "9" * 30])
async def test_a_wrong_length_of_the_json_is_refused(server: Server, length: str) -> None:
    content, _ = raw(np.ones((1, 3), np.float32), "one")
    [(status, _, told)] = await server.ask(server.post(content, PATH, f"Inference-Header-Content-Length: {length}"))
    assert status == 400
    assert json.loads(told)["error"]
    assert server.logged() == []


async def test_an_error_names_the_field(server: Server) -> None:
    [(_, _, told)] = await server.ask(server.post(body([1, 2, 1e39])))
    assert "inputs[0].data[2]" in json.loads(told)["error"]


async def test_who_may_not_is_refused(server: Server, state: Path) -> None:
    viewer = (state / "tokens" / "viewer.jwt").read_text()
    for token, expected in (("rubbish", 401), (viewer, 403)):
        [(status, _, _)] = await server.ask(server.post(GOOD, token=token))
        assert status == expected
    for path in ("/v2/models/nobody/infer", f"/v2/models/block/versions/{'0' * 64}/infer"):
        [(status, _, _)] = await server.ask(server.post(GOOD, path))
        assert status == 404
    assert server.logged() == []


async def test_what_comes_in_one_turn_runs_as_one(server: Server, block: LoadedModel, monkeypatch: Any) -> None:
    runs: list[int] = []
    run = block.run

    def counted(tensor: Float32) -> Any:
        runs.append(len(tensor))
        return run(tensor)

    monkeypatch.setattr(block, "run", counted)
    stream = b"".join(server.post(body([float(number), 2, 3], name=f"r{number}")) for number in range(8))
    told = await server.ask(stream, answers=8)
    assert runs == [8]
    expected = run(np.array([[number, 2, 3] for number in range(8)], np.float32))["probabilities"]
    for (_, _, content), row in zip(told, expected, strict=True):
        assert np.array(probabilities(content), np.float32).tolist() == row.tolist()
    assert [row[0] for row in server.logged()] == list(range(8))


async def test_one_wrong_request_does_not_harm_the_others_of_its_turn(server: Server) -> None:
    stream = b"".join(server.post(body([number, 2, 1e39 if number == 2 else 3])) for number in range(5))
    told = await server.ask(stream, answers=5)
    assert [status for status, _, _ in told] == [200, 200, 400, 200, 200]
    assert [row[0] for row in server.logged()] == [0, 1, 3, 4]


async def test_a_model_that_fails_unexpectedly_is_an_error_and_no_silence(
    server: Server, block: LoadedModel, monkeypatch: Any
) -> None:
    def broken(tensor: Float32) -> Any:
        raise LookupError("a surprise")

    monkeypatch.setattr(block, "run", broken)
    told = await asyncio.gather(*(server.ask(server.post(GOOD)) for _ in range(3)))
    assert [status for [(status, _, _)] in told] == [500] * 3
    assert server.logged() == []
