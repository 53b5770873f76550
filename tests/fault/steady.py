"""Clients that ask at a steady rate over connections of their own, and what inference holds meanwhile."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import orjson

from tests.integration.inference_service import Inference, request

# `make fault` runs every test here at the length that the issue of such a fault asks for, `make test` a shortened form.
FULL = os.environ.get("FAULT") == "full"


@dataclass
class Steady:
    """So many `clients` ask `rate` requests a second in all; one that is late catches up.

    `answered` are the numbers answered with 200 and their seconds, `times` when they were, `failed` all else,
    `turned_away` connections that nobody listened to. `reconnects`: each request has a connection of its own.
    """

    service: Inference
    rate: float = 500
    clients: int = 16
    reconnects: bool = False
    numbers: Iterator[int] = field(default_factory=count)
    answered: dict[int, float] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    turned_away: int = 0
    ended: bool = False

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator["Steady"]:
        """Ask while the body runs; at the end each client waits for its last answer."""
        tasks = [asyncio.create_task(self._client(at)) for at in range(self.clients)]
        try:
            yield self
        finally:
            self.ended = True
            await asyncio.gather(*tasks)

    async def _client(self, at: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + at / self.rate
        connection: _Connection | None = None
        while not self.ended:
            await asyncio.sleep(due - loop.time())
            due += self.clients / self.rate
            if connection is None:
                try:
                    connection = await _Connection.open(self.service)
                except OSError:
                    self.turned_away += 1
                    continue
            if not await self._ask(connection):
                connection = None

    async def _ask(self, connection: "_Connection") -> bool:
        """Whether the connection stays."""
        number, begun = next(self.numbers), asyncio.get_running_loop().time()
        try:
            status, stays = await connection.ask(number, last=self.reconnects)
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(repr(error))
            return False
        if status == 200:
            self.times.append(asyncio.get_running_loop().time())
            self.answered[number] = self.times[-1] - begun
        else:
            self.failed.append(str(status))
        return stays

    def most_within(self, seconds: float) -> int:
        """The most answers in any span of so many seconds: a busy machine answers what waited all at once."""
        starts = np.searchsorted(self.times, np.array(self.times) - seconds)
        return int(np.max(np.arange(1, len(self.times) + 1) - starts, initial=0))

    def told(self) -> str:
        """What became of the requests, on a line."""
        seconds = sorted(self.answered.values())
        p99 = seconds[int(len(seconds) * 0.99)] if seconds else 0
        failed = dict(Counter(self.failed).most_common(3))
        return (
            f"{len(self.answered)} answered, {len(self.failed)} failed {failed}, {self.turned_away} connections"
            f" turned away, p99 {p99 * 1e3:.1f} ms, slowest {seconds[-1] * 1e3 if seconds else 0:.0f} ms"
        )


class _Connection:
    """Raw HTTP: httpx would cost as much as what is tested."""

    def __init__(self, service: Inference, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._authorization = service.client.headers["Authorization"]
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, service: Inference) -> "_Connection":
        return cls(service, *await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2])))

    async def ask(self, number: int, *, last: bool = False) -> tuple[int, bool]:
        """The status, and whether another request may follow; raises OSError, EOFError or TimeoutError."""
        body = orjson.dumps(request(number))
        close = "Connection: close\r\n" if last else ""
        self._writer.write(
            f"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nAuthorization: {self._authorization}\r\n"
            f"{close}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            await self._reader.readexactly(length)
        stays = "connection: close" not in head
        if not stays:
            self._writer.close()
        return int(head.split()[1]), stays


class Memory:
    """The greatest resident memory of a process, in MB, above what it was when the block began."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/statm")
        self.before = self._now()
        self.grown = 0.0

    def _now(self) -> float:
        return int(self._path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.grown = max(self.grown, self._now() - self.before)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator["Memory"]:
        """Watch it while the body runs."""
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
