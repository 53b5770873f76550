"""The load: requests one after the other on each of some connections, as fast as they are answered.

Bare sockets and epoll: the load generator must cost less than what it measures.
"""

import select
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_LENGTH = b"\r\ncontent-length: "  # not that of `inference-header-content-length`


class Measured(NamedTuple):
    """`requests` a second and latencies in milliseconds."""

    requests: float
    p50: float
    p99: float
    answered: int


class Connection:
    """One client's socket; `sent` is when its last request went out."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self._buffer = b""

    def send(self, request: bytes) -> None:
        """Post."""
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Whether the answer is whole; raises unless it is a 200."""
        data = self.socket.recv(262_144)
        if not data:
            raise RuntimeError("the server closed the connection")
        if self._buffer:
            data = self._buffer + data
        if not _whole(data):
            self._buffer = data
            return False
        self._buffer = b""
        return True


def _whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data[:500].decode())
    at = data.find(_LENGTH) + len(_LENGTH)
    return len(data) == end + 4 + int(data[at : data.find(b"\r", at)])


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    """Post for `seconds`; raises if a request fails."""
    clients = {client.socket.fileno(): client for client in (Connection(port) for _ in range(connections))}
    ready = select.epoll()
    for number, client in enumerate(clients.values()):
        ready.register(client.socket, select.EPOLLIN)
        client.send(requests[number % len(requests)])
    began, latencies, waiting = time.perf_counter(), list[float](), len(clients)
    until = began + seconds
    while waiting:
        for file, _ in ready.poll():
            client = clients[file]
            if client.receive():
                now = time.perf_counter()
                latencies.append(now - client.sent)
                if now < until:
                    client.send(requests[len(latencies) % len(requests)])
                else:
                    waiting -= 1
    took = time.perf_counter() - began
    for client in clients.values():
        client.socket.close()
    ready.close()
    p50, p99 = np.percentile(np.array(latencies), [50, 99]) * 1_000
    return Measured(len(latencies) / took, float(p50), float(p99), len(latencies))
