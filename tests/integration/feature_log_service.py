"""A broker with Driftline's topics, the real feature_logging as a process, and messages for it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from cli.stack import running_stack
from shared.batch import Meta, PredictionBatch
from shared.bundle import BundleContents, write_bundle
from shared.definition import ModelDefinition, parse_definition
from shared.events import SnapshotPin
from shared.features import Rows
from shared.kafka.admin import LABELS, PREDICTIONS, ensure_topics
from shared.kafka.message import InMessage
from shared.keys import make_keys
from shared.lineage import Lineage
from shared.reference.build import build_reference
from tests.integration.stack_helpers import broker_alone

ROOT = Path(__file__).parents[2]
SETTINGS = {"DRIFTLINE_COMMIT_SECONDS": "0.3", "DRIFTLINE_COMMIT_ROWS": "400", "DRIFTLINE_COMPACT_COMMITS": "8"}
START = np.datetime64("2013-03-01", "us")
DEFINITION = """
name = "{name}"
owner = "ops"
features = [{{ name = "wind", kind = "numeric" }}, {{ name = "origin", kind = "categorical" }}]
label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
"""


@contextlib.asynccontextmanager
async def kafka_of_its_own(state: Path) -> AsyncIterator[str]:
    """A broker with nothing but Driftline's empty topics; feature_logging's topics and group have fixed names."""
    async with running_stack(broker_alone(state), lambda line: print(line, file=sys.stderr)) as stack:
        await ensure_topics(stack.kafka)
        yield stack.kafka


def definition(name: str) -> ModelDefinition:
    """A model with one feature of each kind."""
    return parse_definition(DEFINITION.format(name=name))


def make_bundle(state: Path, name: str) -> str:
    """Writes a signed bundle of a model and returns its digest."""
    make_keys(state)
    rows = Rows(np.linspace(0, 1, 100, dtype=np.float32)[:, None], np.zeros((100, 1), np.int32))
    times = START + np.arange(100) * np.timedelta64(3_600_000_000, "us")
    scores = np.full((100, 1), 0.5, np.float32)
    moment = "2013-01-01T00:00:00Z"
    pin = SnapshotPin.model_validate({"start": moment, "end": moment, "as_of": moment, "rows": 0, "row_hash": "0" * 64})
    lineage = Lineage(
        code_commit="unknown", snapshot=pin, training_function="m:f", hyperparameters={}, seed=0, environment="0" * 64
    )
    reference = build_reference(rows, times, scores, definition(name), {"origin": ("EWR", "JFK")})
    contents = BundleContents(b"no graph is needed here", DEFINITION.format(name=name), reference, lineage, {})
    return write_bundle(state / "bundles", contents, state / "keys", "operator")


def batch(name: str, digest: str, first: int, count: int) -> PredictionBatch:
    """`count` answered rows of requests numbered from `first`."""
    numbers = np.arange(first, first + count)
    meta = Meta(name, digest, definition(name).digest, "champion", "p", 0, count)
    return PredictionBatch(
        meta=meta,
        request_id=[int(number).to_bytes(16, "big") for number in numbers],
        row=np.zeros(count, np.int32),
        entity=[None] * count,
        event_time=START + numbers * np.timedelta64(10_000_000, "us"),
        repeat=np.zeros(count, np.bool_),
        rows=Rows(numbers.astype(np.float32)[:, None], (numbers % 2).astype(np.int32)[:, None]),
        scores=np.full((count, 1), 0.5, np.float32),
        latency_us=np.ones(count, np.int32),
    )


class Service:
    """feature_logging as a process, started again as often as wanted."""

    def __init__(self, state: Path, kafka: str, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.state = state
        own = {"KAFKA_BOOTSTRAP": kafka, "DRIFTLINE_STATE": str(state), "DRIFTLINE_PORT": str(self.port)}
        self.environment = {**os.environ, **SETTINGS, **own, **settings}
        self.log_file = state / f"feature_logging-{self.port}.jsonl"

    async def start(self) -> None:
        """Returns when it answers ready."""
        await self.launch()
        await self._until_ready()

    async def launch(self) -> None:
        """Returns at once."""
        with self.log_file.open("ab") as out:
            command = (sys.executable, "-m", "services.feature_logging")
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self.environment, stdout=out, stderr=out
            )

    async def _until_ready(self) -> None:
        async with httpx.AsyncClient() as http, asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, self.said()
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{self.port}/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def get(self, path: str, token: str) -> httpx.Response:
        """GET with one of the state folder's tokens."""
        bearer = (self.state / "tokens" / f"{token}.jwt").read_text().strip()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, timeout=30) as http:
            return await http.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    async def metrics(self) -> dict[str, float]:
        """The lines of /metrics by name and labels."""
        async with httpx.AsyncClient(timeout=30) as http:
            text = (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def send(self, number: signal.Signals) -> None:
        """To the process itself."""
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.returncode is None:
            self.send(number)
        try:
            return await asyncio.wait_for(self.process.wait(), 40)
        except TimeoutError as error:
            raise AssertionError(f"it does not end: {self.said()}") from error

    def said(self) -> str:
        """Its log so far."""
        return self.log_file.read_text()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Runs it; kills what is left of it at the end."""
        await self.start()
        try:
            yield self
        finally:
            if self.process.returncode is None:
                await self.end(signal.SIGKILL)


async def end_offsets(kafka: str) -> dict[TopicPartition, int]:
    """The next offset of each partition that has messages."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in (PREDICTIONS, LABELS) for number in range(3)]
        return {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
    finally:
        await consumer.stop()


async def until_all_is_committed(kafka: str, seconds: float = 60) -> dict[TopicPartition, int]:
    """Waits until the service's group stands at the end of all partitions; returns the ends."""
    ends = await end_offsets(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(seconds):
            while True:
                committed = await admin.list_consumer_group_offsets("feature_logging")
                if all(place in committed and committed[place].offset == end for place, end in ends.items()):
                    return ends
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def read_all(kafka: str, topic: str, count: int) -> Sequence[InMessage]:
    """The first `count` messages of a topic with one partition, and what more comes within a second."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: list[InMessage] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                found += await _some(consumer)
        return found + await _some(consumer)
    finally:
        await consumer.stop()


async def _some(consumer: AIOKafkaConsumer) -> list[InMessage]:
    records = await consumer.getmany(timeout_ms=1_000)
    return [
        InMessage(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp)
        for batch_of_one in records.values()
        for r in batch_of_one
    ]
