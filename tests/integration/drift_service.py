"""A model with natural hours, its stream of predictions, the real drift_detection as a process, and what it said."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cli.stack import running_stack
from shared.bundle import BundleContents, write_bundle
from shared.cloudevents import decode
from shared.events import Event
from shared.kafka.admin import DRIFT, ensure_topics
from shared.kafka.message import InMessage
from shared.kafka.reading import from_record
from shared.keys import make_keys
from shared.reference import Reference
from tests.bundles import small_lineage
from tests.integration.kafka_helpers import free_port
from tests.integration.stack_helpers import broker_alone
from tests.unit.drift_detection.pumps import DEFINITION, reference

ROOT = Path(__file__).parents[2]


def make_bundle(state: Path, name: str = "pumps", told: tuple[str, Reference] | None = None) -> str:
    """Write a signed bundle, of the definition and reference told if there are any, and return its digest."""
    make_keys(state)
    text, known = told or (DEFINITION.format(name=name), reference(name))
    contents = BundleContents(b"no graph is needed here", text, known, small_lineage(), {})
    return write_bundle(state / "bundles", contents, state / "keys", "operator")


@contextlib.asynccontextmanager
async def broker_and_producer(state: Path) -> AsyncIterator[tuple[str, AIOKafkaProducer]]:
    """A broker with nothing but Driftline's empty topics, and a producer on it."""
    async with running_stack(broker_alone(state), lambda line: print(line, file=sys.stderr)) as stack:
        await ensure_topics(stack.kafka)
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, acks="all")
        await producer.start()
        try:
            yield stack.kafka, producer
        finally:
            await producer.stop()


class Service:
    """drift_detection as a process, started again as often as wanted."""

    def __init__(self, state: Path, kafka: str, **settings: str) -> None:
        self.port = free_port()
        self.state = state
        own = {"KAFKA_BOOTSTRAP": kafka, "DRIFTLINE_STATE": str(state), "DRIFTLINE_PORT": str(self.port)}
        self._environment = {**os.environ, **own, **settings}
        self._log = state / f"drift_detection-{self.port}.jsonl"

    async def start(self) -> None:
        """Returns when it answers ready."""
        with self._log.open("ab") as out:
            command = (sys.executable, "-m", "services.drift_detection")
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment, stdout=out, stderr=out
            )
        async with httpx.AsyncClient() as http:
            for _ in range(1200):
                assert self.process.returncode is None, self.said()
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{self.port}/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready: {self.said()}")

    async def get(self, path: str, role: str = "viewer") -> httpx.Response:
        """GET with the token of a role; none if empty."""
        assert self.process.returncode is None, f"it has ended with {self.process.returncode}: {self.said()[-6_000:]}"
        headers = {"Authorization": f"Bearer {(self.state / 'tokens' / f'{role}.jwt').read_text()}"} if role else {}
        async with httpx.AsyncClient(headers=headers) as http:
            return await http.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        """The exit code, when it has ended."""
        try:
            return await asyncio.wait_for(self.process.wait(), 40)
        except TimeoutError as error:
            raise AssertionError(f"it does not end: {self.said()}") from error

    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Run it; kill what is left of it at the end."""
        await self.start()
        try:
            yield self
        finally:
            if self.process.returncode is None:
                await self.end(signal.SIGKILL)


async def read_all(kafka: str, topic: str, partitions: Sequence[int] = (0,)) -> list[InMessage]:
    """All messages of a topic up to now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in partitions]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: list[InMessage] = []
        for place, end in ends.items():
            while await consumer.position(place) < end:
                records = await consumer.getmany(place, timeout_ms=500)
                found += map(from_record, records.get(place, []))
        return found
    finally:
        await consumer.stop()


async def events(kafka: str) -> list[Event]:
    """All that was said about drift up to now."""
    return [decode(message) for message in await read_all(kafka, DRIFT)]
