"""A service as a plain process: started from its image's folder, asked over HTTP, ended by SIGTERM."""

import asyncio
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.process.child import Child, Command, describe_exit
from cli.process.ports import HOST, candidates, plan_ports
from scripts.trial.errors import TrialFailed

_GRACE = 20.0
_ASK_AGAIN = 0.1


@dataclass(frozen=True)
class Image:
    """What would be in a container: the interpreter, the working directory, the state folder, the broker's address."""

    service: str
    python: Path
    folder: Path
    state: Path
    bootstrap: str


class Running:
    """A service that was started."""

    def __init__(self, child: Child, port: int) -> None:
        self._child = child
        self._port = port

    async def status(self, route: str) -> int:
        """HTTP status of a route; 0 while nothing answers."""
        return await asyncio.to_thread(_status, f"http://{HOST}:{self._port}{route}")

    async def answers(self, route: str, seconds: float) -> float:
        """Wait until a route answers 200; returns the seconds since the start.

        Raises:
            TrialFailed: the process ended, or it took too long.
        """
        while await self.status(route) != 200:
            if self._child.code is not None:
                raise TrialFailed(f"it ended with {describe_exit(self._child.code)} before {route}", self.log())
            if self.age > seconds:
                raise TrialFailed(f"{route} did not answer 200 in {seconds:g} s", self.log())
            await asyncio.sleep(_ASK_AGAIN)
        return self.age

    async def end(self) -> None:
        """SIGTERM, and the exit code is 0.

        Raises:
            TrialFailed: another code, or it had to be killed.
        """
        code = await self._child.stop()
        if code:
            raise TrialFailed(f"SIGTERM: it ended with {describe_exit(code)}, expected exit code 0", self.log())

    async def kill(self) -> None:
        """End it whatever it does."""
        self._child.kill()
        await self._child.wait()

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._child.born

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._child.code

    def log(self) -> str:
        """The last of what it said."""
        return "\n".join(self._child.last_lines(40))


@asynccontextmanager
async def running(image: Image) -> AsyncIterator[Running]:
    """The service, started with nothing in its environment but what a container would have."""
    port = plan_ports(("http",), {}, candidates())["http"]
    env = {
        "PATH": f"{image.python.parent}:{os.defpath}",
        "PYTHONUNBUFFERED": "1",
        "KAFKA_BOOTSTRAP": image.bootstrap,
        "DRIFTLINE_STATE": str(image.state),
        "DRIFTLINE_HOST": HOST,
        "DRIFTLINE_PORT": str(port),
    }
    argv = (str(image.python), "-m", f"services.{image.service}")
    log = image.folder.with_suffix(f".{port}.log")
    service = Running(await Child.start(Command(image.service, argv, log, env, image.folder, _GRACE)), port)
    try:
        yield service
    finally:
        await service.kill()


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
