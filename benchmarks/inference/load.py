"""The load: requests one after the other on each of some connections, as fast as they are answered."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_LENGTH = b"content-length: "


class Measured(NamedTuple):
    """`requests` a second and latencies in milliseconds."""

    requests: float
    p50: float
    p99: float
    answered: int


class Client(asyncio.Protocol):
    """One connection. Raises through `done` unless every answer is a 200."""

    def __init__(self, requests: Sequence[bytes], until: float) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._until = until
        self._next = 0
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        if self._sent > self._until:
            self.done.set_result(None)
            return
        self._transport.write(self._requests[self._next])
        self._next = (self._next + 1) % len(self._requests)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer; the next request when it is whole."""
        data = self._buffer = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = data.find(_LENGTH)
        length = int(data[at + len(_LENGTH) : data.index(b"\r", at)])
        if len(data) < end + 4 + length:
            return
        if not data.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(data[:500].decode()))
            return
        self._buffer = b""
        self.latencies.append(time.perf_counter() - self._sent)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Too early, unless all is done."""
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError("the server closed the connection"))


async def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    """Post for `seconds`; raises if a request fails."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(requests, began + seconds), "127.0.0.1", port))
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for _, client in clients))
    took = time.perf_counter() - began
    for transport, _ in clients:
        transport.close()
    latencies = np.array([latency for _, client in clients for latency in client.latencies])
    p50, p99 = np.percentile(latencies, [50, 99]) * 1_000
    return Measured(len(latencies) / took, p50, p99, len(latencies))
