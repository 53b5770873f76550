"""What is measured is a process that listens."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

import httpx

from benchmarks.inference.requests import Bodies

# How each server starts: on the first core from its first moment on, for libraries count cores when they are loaded,
# and with patience for its models, for all start at once.
ALONE = ("taskset", "--cpu-list", "0", "env", "DRIFTLINE_LOAD_SECONDS=30")


class Endpoint(NamedTuple):
    """Where a model is served, by which process, and how requests for it look."""

    port: int
    pid: int
    bodies: Bodies


async def until_ready(url: str, token: str) -> None:
    """Returns when the address answers with 200."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers) as http, asyncio.timeout(120):
        while True:
            with suppress(httpx.TransportError):
                if (await http.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)
