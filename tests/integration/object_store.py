"""An S3-compatible store, moto's server, in a process of its own: deltalake holds Python up while it waits for one.

`python -m tests.integration.object_store PORT` serves until SIGTERM; from SIGUSR1 to SIGUSR2 nobody can connect.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from cli.process.ports import candidates, plan_ports

ROOT = Path(__file__).parents[2]
BUCKET = "log"
AWAY, BACK = signal.SIGUSR1, signal.SIGUSR2


class ObjectStore:
    """A store with an empty bucket."""

    def __init__(self) -> None:
        self.port = plan_ports(("store",), {}, candidates())["store"]
        command = (sys.executable, "-m", "tests.integration.object_store", str(self.port))
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers(self) -> bool:
        """Whether one can connect."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def be(self, number: signal.Signals) -> None:
        """AWAY or BACK; what it holds stays."""
        self._process.send_signal(number)
        self.until(answers=number == BACK)

    def until(self, *, answers: bool) -> None:
        """It is there, or away."""
        for _ in range(600):
            if self.answers() == answers:
                return
            assert self._process.poll() is None
            time.sleep(0.05)
        raise AssertionError(f"the store is not {'there' if answers else 'away'}")

    def end(self) -> None:
        """For good."""
        self._process.terminate()
        self._process.wait(30)


@contextlib.contextmanager
def running_store() -> Iterator[ObjectStore]:
    """A store to which AWS_* of this process and its children lead."""
    store = ObjectStore()
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        try:
            store.until(answers=True)
            UPath(f"s3://{BUCKET}").fs.mkdir(BUCKET)
            yield store
        finally:
            store.end()


def serve(port: int) -> None:
    """Until SIGTERM."""
    orders = {AWAY, BACK, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, orders)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    while (order := signal.sigwait(orders)) != signal.SIGTERM:
        server.stop() if order == AWAY else server.start()
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
