"""What tests of the local stack share."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from cli.stack import Plan, Service

STAND_IN = (sys.executable, str(Path(__file__).with_name("stack_stand_in.py")))


def stand_ins(*names: str, behaviour: str = "") -> tuple[Service, ...]:
    return tuple(Service(name, (*STAND_IN, behaviour)) for name in names)


def plan_on(kafka: str, state: Path, services: tuple[Service, ...], **options: object) -> Plan:
    return Plan(state, services, bootstrap=kafka, topics=no_topics, keys=no_keys, **options)  # type: ignore[arg-type]


def lives(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.05)


# An environment in which no host can be reached: nobody listens at that proxy.
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9") | {
    "NO_PROXY": "",
    "no_proxy": "",
}


async def no_topics(_bootstrap: str) -> None:
    """Tests make the topics they need."""


def no_keys(_state: Path) -> None:
    """A broker alone needs none."""


def broker_alone(state: Path) -> Plan:
    """A plan for the embedded broker without services, topics and keys."""
    return Plan(state, services=(), topics=no_topics, keys=no_keys)


@contextlib.asynccontextmanager
async def taken_port() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
