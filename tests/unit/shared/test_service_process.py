"""A service as a process: what it answers over a real socket, and how it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.shared.test_http import JSON, field, pieces

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(port: int, mode: str = "steady") -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"DRIFTLINE_PORT": str(port), "DRIFTLINE_HOST": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.unit.shared.http_app", mode]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_live(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/live")
            return
        time.sleep(0.1)
    raise AssertionError("the service did not start")


@pytest.fixture(scope="module")
def running() -> Iterator[int]:
    port = free_port()
    with service(port):
        wait_until_live(port)
        yield port


def output(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read()


def test_sigterm_finishes_the_request_in_hand_and_the_tasks_and_exits_with_0() -> None:
    port = free_port()
    answers: list[int] = []
    with service(port) as process:
        wait_until_live(port)
        posting = threading.Thread(
            target=lambda: answers.append(httpx.post(f"http://127.0.0.1:{port}/slow").status_code)
        )
        posting.start()
        assert process.stdout is not None
        assert any("in hand" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGTERM)
        posting.join(timeout=10)
        assert process.wait(timeout=10) == 0
        rest = output(process)
    assert answers == [200]
    assert "task ended" in rest
    assert "Traceback" not in rest


def test_a_task_that_crashes_ends_the_process_with_1_and_says_why() -> None:
    with service(free_port(), "crash") as process:
        assert process.wait(timeout=20) == 1
        assert "no disk" in output(process)


def test_a_busy_port_is_one_clear_line_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with service(port) as process:
            assert process.wait(timeout=20) == 1
            (line,) = output(process).splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["port"]) == ("can't listen", "error", port)


def test_20_mb_are_413_over_a_real_socket_with_and_without_a_length(running: int) -> None:
    address = f"http://127.0.0.1:{running}/readings"
    told = httpx.post(address, content=b" " * 20_000_000, headers=JSON)
    untold = httpx.post(address, content=pieces(20_000_000), headers=JSON)
    for answer in (told, untold):
        assert (answer.status_code, field(answer)) == (413, "body")


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /readings HTTP/1.1\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /readings HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /readings HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"POST /readings HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /readings HTTP/1.1\r\nHost: a\r\nAuthorization: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
def test_a_request_that_is_no_http_is_4xx_or_hung_up_on_and_never_5xx(running: int, request_text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running), timeout=5) as connection:
        connection.sendall(request_text)
        with contextlib.suppress(ConnectionResetError):
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
            assert answer == b"" or answer.split(b" ")[1].startswith(b"4")
    assert httpx.get(f"http://127.0.0.1:{running}/live").status_code == 200
