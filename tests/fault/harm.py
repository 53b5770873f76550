"""Clients that do harm, in a process of their own: `python -m tests.fault.harm PORT AUTHORIZATION`.

Prints a line once all slow connections are there, then goes on until its input ends and each body was tried, then
prints as JSON how often each body got which status, and what became of the slow connections. Status 0: the connection
ended without an answer.
"""

import asyncio
import contextlib
import gzip
import itertools
import json
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

MB = 2**20
SLOW = 200
_PATIENCE = 60
_PAUSE = 0.1

Statuses = dict[str, Counter[int]]


class Raw(NamedTuple):
    """A request that no client library makes: lines of its head, its body, and the statuses that it may get."""

    lines: tuple[str, ...]
    body: bytes
    right: frozenset[int]
    length: int | None = None  # if it is not that of the body


def _json(data: bytes, right: int = 400) -> Raw:
    """One of the inputs has this for its data."""
    columns = [("temp", "FP32", data), ("wind", "FP32", b"[3.5]"), ("carrier", "BYTES", b'["DL"]')]
    tensors = [
        b'{"name":"%b","datatype":"%b","shape":[1],"data":%b}' % (name.encode(), kind.encode(), value)
        for name, kind, value in columns
    ]
    return Raw((), b'{"inputs":[%b]}' % b",".join(tensors), frozenset({right}))


def _binary(told: str, size: int, sent: int) -> Raw:
    """A block of three numbers of which `size` bytes are promised and `sent` come; `told`: the length of the JSON."""
    tensor = {
        "name": "features",
        "datatype": "FP32",
        "shape": [1, 3],
        "parameters": {"binary_data_size": size},
    }
    text = json.dumps({"inputs": [tensor]}).encode()
    return Raw((f"Inference-Header-Content-Length: {told or len(text)}",), text + bytes(sent), frozenset({400}))


BODIES: Mapping[str, Raw] = {
    "good": _json(b"[1.5]", 200),
    "NaN": _json(b"[NaN]"),
    "Infinity": _json(b"[-Infinity]"),
    "1e400": _json(b"[1e400]"),
    "10^5000": _json(b"[1%b]" % (b"0" * 5_000)),
    "lone surrogate": _json(b'["\\ud800"]'),
    "not UTF-8": _json(b'["\xed\xa0\x80"]'),
    "deep nesting": _json(b"[" * 100_000),
    "deep nesting that ends": _json(b"[" * 100_000 + b"]" * 100_000),
    "duplicate key": _json(b'[1.5],"shape":[2]'),
    "10,000 duplicate keys": _json(b"[{%b}]" % b",".join([b'"a":1'] * 10_000)),
    "10,000 keys": _json(b"[{%b}]" % b",".join(b'"%d" :1' % each for each in range(10_000))),
    "10,000 numbers too many": _json(b"[%b]" % b",".join([b"1.5"] * 10_000)),
    "binary, too short": _binary("", 12, 8),
    "binary, too long": _binary("", 12, 4_000),
    "binary, promised too much": _binary("", 2**62, 12),
    "binary, negative": _binary("", -12, 12),
    "binary, JSON too long": _binary("100000", 12, 12),
    "binary, JSON of no length": _binary("-1", 12, 12),
    "gzip bomb": Raw(("Content-Encoding: gzip",), gzip.compress(bytes(100 * MB)), frozenset({415})),
    "100 MB": Raw((), bytes(100 * MB), frozenset({413, 0})),  # 0: it took too long to take in what is not wanted
    "100 MB that do not come": Raw((), b"{", frozenset({0}), 100 * MB),
    "a length of 30 digits": Raw((), b"{", frozenset({400, 413}), 10**30),
    "no HTTP": Raw(("no header",), b"", frozenset({400})),
    "two lengths": Raw(("Content-Length: 7",), b"{", frozenset({400})),
    "a head of 100 kB": Raw((f"X: {'x' * 100_000}",), b"{", frozenset({400, 431})),  # as it comes in pieces
    "websocket": Raw(("Connection: upgrade", "Upgrade: websocket"), b"{}", frozenset({400, 403, 405})),
}


def head(authorization: str, lines: tuple[str, ...], length: int | str, path: str = "small") -> bytes:
    """Up to the body."""
    told = (f"POST /v2/models/{path}/infer HTTP/1.1", "Host: x", f"Authorization: {authorization}", *lines)
    return "\r\n".join((*told, f"Content-Length: {length}", "", "")).encode()


@contextlib.asynccontextmanager
async def connection(port: int, kept: int = 0) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One of its own; the kernel keeps `kept` bytes for it that it did not read, 0: as many as usual."""
    client = socket.socket()
    if kept:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kept)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def status(reader: asyncio.StreamReader) -> int:
    """Of the next answer; 0 if there is none."""
    try:
        return int((await reader.readline()).split()[1])
    except (OSError, IndexError):
        return 0


class Harm:
    """What is done to the server at `port`, and what it answers."""

    def __init__(self, port: int, authorization: str) -> None:
        self.bodies: Statuses = {name: Counter() for name in BODIES}
        self.slow: Statuses = {name: Counter() for name in ("silent", "head", "body", "chunks", "unread")}
        self._port, self._authorization = port, authorization
        self._open = 0
        self.all_open = asyncio.Event()

    async def post(self, names: tuple[str, ...]) -> None:
        """These bodies one after the other, for ever."""
        for name in itertools.cycle(names):
            self.bodies[name][await self._post(BODIES[name])] += 1
            await asyncio.sleep(_PAUSE)

    async def _post(self, raw: Raw) -> int:
        async with connection(self._port) as (reader, writer):
            length = len(raw.body) if raw.length is None else raw.length
            with contextlib.suppress(OSError):
                writer.write(head(self._authorization, raw.lines, length))
                for start in range(0, len(raw.body), MB):
                    writer.write(raw.body[start : start + MB])
                    await writer.drain()
            if raw.length == 100 * MB:
                return 0  # it leaves
            async with asyncio.timeout(_PATIENCE):
                return await status(reader)

    async def be_slow(self, kind: str) -> None:
        """A slow connection, and another when the server closes it, for ever."""
        while True:
            async with connection(self._port, 4_096 if kind == "unread" else 0) as (reader, writer):
                self._open += 1
                if self._open == SLOW:
                    self.all_open.set()
                sending = asyncio.create_task(self._send_slowly(kind, writer))
                try:
                    # What does not read notices a server that is gone by its writing
                    found = 0 if await self._never_reads(kind, sending) else await status(reader)
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
            self.slow[kind][found] += 1

    async def _never_reads(self, kind: str, sending: asyncio.Task[None]) -> bool:
        if kind != "unread":
            return False
        await asyncio.wait([sending])
        return True

    async def _send_slowly(self, kind: str, writer: asyncio.StreamWriter) -> None:
        start = head(self._authorization, (), 1_000)
        if kind == "silent":
            return
        if kind == "unread":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await self._ask_without_reading(writer)
        elif kind == "head":
            await self._trickle(writer, lambda at: start[at : at + 1] or b"x")
        elif kind == "body":
            writer.write(start)
            await self._trickle(writer, lambda _: b" ")
        else:
            writer.write(start.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked"))
            await self._trickle(writer, lambda _: b"1\r\n \r\n")

    async def _trickle(self, writer: asyncio.StreamWriter, piece: Callable[[int], bytes]) -> None:
        for at in itertools.count():
            writer.write(piece(at))
            await asyncio.sleep(0.5)

    async def _ask_without_reading(self, writer: asyncio.StreamWriter) -> None:
        rows = 50
        tensor = {"name": "features", "datatype": "FP32", "shape": [rows, 3], "data": [1.5] * rows * 3}
        body = json.dumps({"inputs": [tensor]}).encode()
        await asyncio.sleep(random.random())  # noqa: S311  # else all ask at once
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(head(self._authorization, (), len(body), "block") + body)
                await writer.drain()
                await asyncio.sleep(1)


async def main(port: int, authorization: str) -> None:
    """Do harm until stdin ends."""
    harm = Harm(port, authorization)
    names = tuple(BODIES)
    tasks = [asyncio.create_task(harm.be_slow(kind)) for kind in harm.slow for _ in range(SLOW // len(harm.slow))]
    tasks += [asyncio.create_task(harm.post((*names[start:], *names[:start]))) for start in (0, len(names) // 2)]
    opening = asyncio.create_task(harm.all_open.wait())
    await asyncio.wait([opening, *tasks], return_when=asyncio.FIRST_COMPLETED)
    print("there", flush=True)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    ended, _ = await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in ended:
        task.result()  # raises what went wrong here
    while not all(harm.bodies.values()):  # noqa: ASYNC110  # each was tried at least once
        await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"bodies": harm.bodies, "slow": harm.slow}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
