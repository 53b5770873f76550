"""The load: requests one after the other on each of some connections, as fast as they are answered.

Bare sockets and epoll, one receive and one send for a request, and of an answer nothing is read but its status and its
length: the load generator must cost less than what it measures.
"""

import gc
import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.inference.machine import Share, Watch

_LENGTH = b"\r\ncontent-length: "  # not that of `inference-header-content-length`
_GREETING = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"  # the plain application has no such path, and says so


class Measured(NamedTuple):
    """`requests` a second, latencies in milliseconds, and the load's share of a core."""

    requests: float
    p50: float
    p99: float
    answered: int
    share: Share


class Clients:
    """Connections to a server by their file numbers; one buffer for what any of them gets."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._connections = connections
        self.ready = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.buffer = bytearray(262_144)

    def __enter__(self) -> "Clients":
        gc.disable()  # nothing here makes circles
        for _ in range(self._connections):
            client = socket.create_connection(("127.0.0.1", self._port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ready.register(client, select.EPOLLIN)
            self.sockets[client.fileno()] = client
        for client in self.sockets.values():
            self._greet(client)
        return self

    def _greet(self, client: socket.socket) -> None:
        """Have the server accept the connection: uvloop accepts one in a turn, and under load its turns are long."""
        client.sendall(_GREETING)
        left = self.missing(client.recv_into(self.buffer))
        while left:
            left -= client.recv_into(self.buffer)

    def __exit__(self, *_: object) -> None:
        for client in self.sockets.values():
            client.close()
        self.ready.close()
        gc.enable()

    def missing(self, got: int) -> int:
        """How many bytes are still to come of an answer whose head is within its first `got` bytes."""
        if not got:
            raise RuntimeError("the server closed the connection")
        buffer = self.buffer
        end = buffer.find(b"\r\n\r\n", 0, got)
        at = buffer.find(_LENGTH, 0, end) + len(_LENGTH)
        return end + 4 + int(buffer[at : buffer.find(b"\r", at)]) - got


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    """Post for `seconds`; raises RuntimeError if a request fails."""
    with Clients(port, connections) as clients:
        watch, began = Watch(os.getpid(), threading.get_native_id()), time.perf_counter()
        latencies = _post(clients, requests, began + seconds)
        took, share = time.perf_counter() - began, watch.read()
    p50, p99 = np.percentile(latencies, [50, 99]) * 1_000
    return Measured(len(latencies) / took, float(p50), float(p99), len(latencies), share)


def _post(clients: Clients, requests: Sequence[bytes], until: float) -> list[float]:
    """Latencies of all requests, in seconds."""
    sockets, buffer, clock, latencies = clients.sockets, clients.buffer, time.perf_counter, list[float]()
    missing, sent = dict.fromkeys(sockets, 0), dict.fromkeys(sockets, clock())
    for number, client in enumerate(sockets.values()):
        client.sendall(requests[number % len(requests)])
    waiting = len(sockets)
    while waiting:
        for file, _ in clients.ready.poll():
            got = sockets[file].recv_into(buffer)
            missing[file] = left = missing[file] - got if missing[file] and got else _fine(clients, got)
            if left:
                continue
            now = clock()
            latencies.append(now - sent[file])
            if now < until:
                sent[file] = now
                sockets[file].sendall(requests[len(latencies) % len(requests)])
            else:
                waiting -= 1
    return latencies


def _fine(clients: Clients, got: int) -> int:
    if got and not clients.buffer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(bytes(clients.buffer[: min(got, 500)]).decode())
    return clients.missing(got)
