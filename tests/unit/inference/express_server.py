"""The application behind its own protocol, on a real socket, and a client that sends bytes as it likes."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from opentelemetry.trace import Tracer

from services.inference.api.app import Parts, build_app
from services.inference.api.core import Core
from services.inference.api.express import Lane, express
from services.inference.api.tracing import TRACER
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import Accounting
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import decode_batch
from shared.http import Health
from tests.unit.inference.harness import Kafka

PATH = "/v2/models/block/infer"


def body(*rows: list[float] | list[int], name: str | None = None, **other: Any) -> bytes:
    flat = [value for row in rows for value in row]
    tensor = {"name": "features", "datatype": "FP32", "shape": [len(rows), 3], "data": flat}
    return json.dumps({"inputs": [tensor], **({"id": name} if name else {}), **other}).encode()


GOOD = body([50, 3, 1], name="one")
Answer = tuple[int, dict[str, str], bytes]


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Server:
    """A real server on a free port."""

    port: int
    token: str
    kafka: Kafka
    log: PredictionLog
    running: uvicorn.Server
    lane: Lane
    catalogue: Catalogue

    def post(self, body: bytes, path: str = PATH, *lines: str, token: str = "", method: str = "POST") -> bytes:
        """The bytes of one request."""
        head = (f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token or self.token}", *lines)
        length = (
            () if any(line.startswith("Transfer-Encoding") for line in lines) else (f"Content-Length: {len(body)}",)
        )
        return "\r\n".join((*head, *length, "", "")).encode() + body

    async def ask(self, *pieces: bytes, answers: int = 1) -> list[Answer]:
        """Send pieces one after the other on a connection of its own; as many answers as are expected."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.002 if len(pieces) > 1 else 0)
            async with asyncio.timeout(10):
                return [await answer(reader) for _ in range(answers)]
        finally:
            writer.close()

    def logged(self) -> list[list[float]]:
        """The features of the rows that were logged."""
        self.log.flush()
        return [row for batch in map(decode_batch, self.kafka.values) for row in batch.rows.numeric.tolist()]

    def traces(self) -> list[str | None]:
        """What the rows that were logged say of their traces."""
        self.log.flush()
        batches = map(decode_batch, self.kafka.values)
        return [trace for batch in batches for trace in batch.traceparent or [None] * len(batch)]


async def answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    if headers.get("transfer-encoding") == "chunked":
        chunks = b""
        while size := int(await reader.readline(), 16):
            chunks += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return int(head[0].split()[1]), headers, chunks
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


@contextlib.asynccontextmanager
async def running_server(
    state: Path,
    *models: LoadedModel,
    durable: float | None = None,
    is_full: Callable[[], bool] = lambda: False,
    tracer: Tracer = TRACER,
) -> AsyncIterator[Server]:
    """Serves these models; bodies up to 100,000 bytes, in one turn requests up to 20 rows."""
    settings = InferenceSettings(state=state, body_bytes=100_000)
    kafka, catalogue = Kafka(), Catalogue()
    log = PredictionLog(kafka.enqueue, "test", GatherPolicy(60 if durable is None else 0.002, 4_096))
    for model in models:
        catalogue.publish(Served(model, "champion", 1))
    core = Core(Accounting(log, is_full, durable), RecentIds(1_000), 20)
    app = build_app(settings, Parts(Health(), catalogue, core, LabelSender(kafka.send, 1), tracer))
    lane = Lane(core, catalogue, app.state.tokens, settings.body_bytes, tracer=tracer)
    running = _Quiet(uvicorn.Config(app, http=express(lane), log_config=None, access_log=False, lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    tasks = [asyncio.create_task(each) for each in (running.serve([listener]), lane.tidy())]
    while not running.started:  # noqa: ASYNC110  # uvicorn tells it in no other way
        await asyncio.sleep(0.01)
    token = (state / "tokens" / "client.jwt").read_text()
    yield Server(listener.getsockname()[1], token, kafka, log, running, lane, catalogue)
    running.should_exit = True
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
