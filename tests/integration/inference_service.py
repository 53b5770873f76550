"""The real inference as a process, a broker that can be stopped, clients that never stop asking."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cli.kafka import broker
from cli.kafka.ready import wait_until_ready
from cli.process.child import Child
from cli.process.ports import is_free
from shared.batch import PredictionBatch, decode_batch
from shared.kafka.admin import PREDICTIONS, ensure_topics
from shared.kafka.follow import follow
from shared.kafka.message import InMessage, OutMessage
from shared.keys import make_keys

ROOT = Path(__file__).parents[2]


class Broker:
    """A broker of its own, stopped and started again on the same port with the same data."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._ports = broker.choose_ports(state)
        self.address = self._ports.bootstrap

    async def start(self) -> None:
        await self._until_free()
        command = await broker.prepare(self._state, self._ports, print)
        self._child = await Child.start(command)
        async with asyncio.timeout(60):
            await wait_until_ready(self.address, self._check)
        await ensure_topics(self.address)

    async def _until_free(self) -> None:
        """While it was down, a client's connection may have got its port for a moment."""
        async with asyncio.timeout(60):
            while not (is_free(self._ports.client) and is_free(self._ports.controller)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def _check(self, reason: str) -> None:
        assert self._child.code is None, f"{reason}: {self._child.last_lines()}"

    async def stop(self) -> None:
        await self._child.stop()

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang, SIGCONT go on."""
        os.kill(self._child.pid, number)


@contextlib.asynccontextmanager
async def running_broker(state: Path) -> AsyncIterator[Broker]:
    """A broker with Driftline's topics, and keys in `state`."""
    make_keys(state)
    own = Broker(state)
    await own.start()
    try:
        yield own
    finally:
        await own.stop()


class Inference:
    """`python -m services.inference`, started again as often as wanted."""

    def __init__(self, state: Path, kafka: str, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        own = {"KAFKA_BOOTSTRAP": kafka, "DRIFTLINE_STATE": str(state), "DRIFTLINE_PORT": str(port)}
        self._environment = {**os.environ, **own, **settings}
        self._log = state / f"inference-{port}.jsonl"
        self.client = httpx.AsyncClient(base_url=self.url, headers=bearer(state, "client"), timeout=30)

    async def start(self) -> None:
        """Returns when it answers ready."""
        with self._log.open("ab") as out:
            command = (sys.executable, "-m", "services.inference")
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment, stdout=out, stderr=out
            )
        await self.until(self._is_ready)

    async def _is_ready(self) -> bool:
        assert self.process.returncode is None, self.said()
        with contextlib.suppress(httpx.TransportError):
            return (await self.client.get("/ready")).status_code == 200
        return False

    async def until(self, true: Callable[[], Any], seconds: float = 60) -> None:
        """Wait until `true` answers so."""
        async with asyncio.timeout(seconds):
            while not await true():  # noqa: ASYNC110  # it comes true in another process
                await asyncio.sleep(0.05)

    async def until_it_serves(self, model: str, digest: str) -> None:
        async def serves() -> bool:
            told = (await self.client.get("/v1/models")).json()
            return (model, digest) in [(each["name"], each["digest"]) for each in told]

        await self.until(serves)

    async def metric(self, name: str) -> float:
        """The value of one line of /metrics, 0 if it is not there."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()

    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text()


@contextlib.asynccontextmanager
async def running_inference(state: Path, kafka: str, **settings: str) -> AsyncIterator[Inference]:
    """Run it; kill what is left of it at the end."""
    service = Inference(state, kafka, **settings)
    try:
        await service.start()
        yield service
    finally:
        await service.end(signal.SIGKILL)
        await service.client.aclose()


def bearer(state: Path, role: str) -> dict[str, str]:
    """The header with one of the state folder's tokens."""
    return {"Authorization": f"Bearer {(state / 'tokens' / f'{role}.jwt').read_text()}"}


def request(number: int) -> dict[str, Any]:
    """A one-row request whose features say its number."""
    columns = (("temp", "FP32", float(number)), ("wind", "FP32", 3.5), ("carrier", "BYTES", "DL"))
    return {
        "id": f"r-{number}",
        "parameters": {"event_time": "2013-03-15T16:00:00Z", "entity": f"N{number}"},
        "inputs": [{"name": name, "datatype": kind, "shape": [1], "data": [value]} for name, kind, value in columns],
    }


@dataclass
class Load:
    """Clients that ask one request after the other. `answers` by number, `failed` what was not 200."""

    service: Inference
    model: str = "small"
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    ended: bool = False

    async def _ask(self, pause: float) -> None:
        async with httpx.AsyncClient(headers=self.service.client.headers, timeout=30) as client:
            while not self.ended:
                number = next(self.numbers)
                try:
                    answer = await client.post(f"{self.service.url}/v2/models/{self.model}/infer", json=request(number))
                    if answer.status_code == 200:
                        self.answers[number] = answer.json()
                    else:
                        self.failed.append(answer.text)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                await asyncio.sleep(pause)

    @contextlib.asynccontextmanager
    async def going_on(self, clients: int = 4, pause: float = 0.005) -> AsyncIterator["Load"]:
        """Ask while the body runs."""
        tasks = [asyncio.create_task(self._ask(pause)) for _ in range(clients)]
        try:
            yield self
        finally:
            self.ended = True  # each waits for its last answer: what was answered is to be counted
            await asyncio.gather(*tasks)


async def send(kafka: str, *messages: OutMessage) -> None:
    """Produce messages as they are."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for each in messages:
            await producer.send_and_wait(each.topic, each.value, key=each.key, headers=list(each.headers))
    finally:
        await producer.stop()


async def read_topic(kafka: str, topic: str, client_id: str = "tests") -> list[InMessage]:
    """All messages that a topic holds now."""
    found: list[InMessage] = []
    caught_up = asyncio.Event()

    async def take(message: InMessage) -> None:
        found.append(message)

    reading = asyncio.create_task(follow(kafka, [topic], take, caught_up, client_id))
    async with asyncio.timeout(30):
        await asyncio.wait([reading, asyncio.create_task(caught_up.wait())], return_when=asyncio.FIRST_COMPLETED)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert caught_up.is_set()
    return found


async def read_predictions(
    kafka: str, rows: int, model: str = "small", partitions: int = 3
) -> dict[int, list[PredictionBatch]]:
    """A model's batches of each partition in their order, once there are at least `rows` rows, and what comes after."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[int, list[PredictionBatch]] = {partition: [] for partition in range(partitions)}
    try:
        consumer.assign([TopicPartition(PREDICTIONS, partition) for partition in found])
        async with asyncio.timeout(60):
            more = True
            while more or sum(len(batch) for batches in found.values() for batch in batches) < rows:
                records = await consumer.getmany(timeout_ms=1_000)
                more = bool(records)
                for partition, batch in records.items():
                    decoded = [decode_batch(record.value or b"") for record in batch]
                    found[partition.partition] += [each for each in decoded if each.meta.model == model]
    finally:
        await consumer.stop()
    return found
