"""Overload: requests at a fixed rate, whatever comes back.

A request's time counts from when it was due, so that a load generator or a server that falls behind shows.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.inference.load import Clients
from benchmarks.inference.machine import Share, Watch

CONNECTIONS = 1_024  # so that nearly always one is free
_POLL = 0.001  # seconds; epoll counts in these
_DRAIN = 10.0


@dataclass
class Flood:
    """What came of it; latencies in seconds. `unsent`: no connection was free when they were due. `mute`: refused
    without a word of when to ask again. `late`: how long after they were due requests were sent.
    """

    rate: float
    seconds: float = 0.0
    share: Share = field(default_factory=lambda: Share(0, 0))
    sent: int = 0
    unsent: int = 0
    mute: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    admitted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def take(self, head: bytes, latency: float) -> None:
        """An answer that begins with these bytes."""
        status = int(head[9:12])
        self.statuses[status] += 1
        if status == 200:
            self.admitted.append(latency)
            return
        self.refused.append(latency)
        self.mute += b"\r\nretry-after: " not in head.lower()


def flood(port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int = CONNECTIONS) -> Flood:
    """Post `rate` requests a second for so many seconds, and wait for what is outstanding."""
    with Clients(port, connections) as clients:
        watch = Watch(os.getpid(), threading.get_native_id())
        found = _Sender(clients, requests, Flood(rate)).run(seconds)
        found.share = watch.read()
    return found


class _Sender:
    def __init__(self, clients: Clients, requests: Sequence[bytes], found: Flood) -> None:
        self._clients = clients
        self._requests = requests
        self._found = found
        self._idle = deque(clients.sockets)
        self._due: dict[int, float] = {}
        self._missing: dict[int, int] = {}

    def run(self, seconds: float) -> Flood:
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            self._send(began, now)
            self._receive()
        while self._due:
            if time.perf_counter() > now + _DRAIN:
                raise RuntimeError(f"{len(self._due)} requests have no answer after {_DRAIN:g} s")
            self._receive()
        self._found.seconds = time.perf_counter() - began
        return self._found

    def _send(self, began: float, now: float) -> None:
        """All that are due by now."""
        found, idle = self._found, self._idle
        for number in range(found.sent + found.unsent, int((now - began) * found.rate)):
            if not idle:
                found.unsent += 1
                continue
            file = idle.popleft()
            self._due[file] = due = began + number / found.rate
            found.late.append(now - due)
            self._clients.sockets[file].sendall(self._requests[number % len(self._requests)])
            found.sent += 1

    def _receive(self) -> None:
        clients, missing = self._clients, self._missing
        for file, _ in clients.ready.poll(_POLL):
            got = clients.sockets[file].recv_into(clients.buffer)
            if file in missing and got:
                missing[file] -= got
            else:
                missing[file] = clients.missing(got)
                self._found.take(bytes(clients.buffer[:256]), time.perf_counter() - self._due[file])
            if not missing[file]:
                del missing[file]
                del self._due[file]
                self._idle.append(file)
