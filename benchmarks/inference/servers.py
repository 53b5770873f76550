"""The two servers under test, each on the first core; the load and the broker are on the last."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.inference.models import make
from cli.process.ports import candidates, plan_ports
from cli.stack import Plan, Service, running_stack
from shared.arrow_ipc import read_record
from shared.kafka.admin import PREDICTIONS
from shared.keys import make_keys
from tests.bundles import deployment

MODELS = ("gbm", "mlp")


@dataclass
class Ours:
    """The service with Kafka on."""

    port: int
    pid: int
    token: str
    kafka: str
    _next: dict[int, int] = field(default_factory=dict)

    async def logged(self, expected: int, seconds: float = 15) -> int:
        """Rows that came to the topic since the last call: waits for as many as are expected, and then for a moment."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(PREDICTIONS, number) for number in range(3)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, self._next.get(partition.partition, 0))
            return await self._count(consumer, expected, asyncio.get_running_loop().time() + seconds)
        finally:
            await consumer.stop()

    async def _count(self, consumer: AIOKafkaConsumer, expected: int, until: float) -> int:
        rows, late = 0, False
        while not late:
            found = await consumer.getmany(timeout_ms=300)
            late = not found and (rows >= expected or asyncio.get_running_loop().time() > until)
            for partition, records in found.items():
                rows += sum(read_record(record.value or b"").num_rows for record in records)
                self._next[partition.partition] = records[-1].offset + 1
        return rows


def pin(pid: int, core: int) -> None:
    """Keep a process, all of its threads, on one of the cores: 0 is the first, -1 the last."""
    chosen = range(os.cpu_count() or 1)[core]
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {chosen})


@contextlib.asynccontextmanager
async def ours(state: Path) -> AsyncIterator[Ours]:
    """The stack with inference alone, serving both models."""
    make_keys(state)
    digests = {model: make(state, model) for model in MODELS}
    async with running_stack(Plan(state, (Service("inference"),)), lambda _: None) as stack:
        for name, core in (("inference", 0), ("kafka", -1)):
            pin(stack.pids[name], core)
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
        await producer.start()
        for model, digest in digests.items():
            message = deployment(state, digest, model=model)
            await producer.send_and_wait(message.topic, message.value, key=message.key, headers=list(message.headers))
        await producer.stop()
        token = (state / "tokens" / "client.jwt").read_text()
        address = stack.addresses["inference"]
        for model in MODELS:
            await until_ready(f"{address}/v2/models/{model}/ready", token)
        yield Ours(int(address.rsplit(":", 1)[1]), stack.pids["inference"], token, stack.kafka)


@contextlib.asynccontextmanager
async def plain(graph: Path) -> AsyncIterator[int]:
    """The plain application with the model in a file; its port."""
    port = plan_ports(["plain"], {}, candidates())["plain"]
    command = (sys.executable, "-m", "benchmarks.inference.plain", str(graph), str(port))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until_ready(f"http://127.0.0.1:{port}/openapi.json", "")
        pin(process.pid, 0)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def calls_a_second(graph: Path, rows: int, seconds: float) -> float:
    """Of ONNX Runtime alone, on the servers' core."""
    command = (sys.executable, "-m", "benchmarks.inference.limit", str(graph), str(rows), str(seconds))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    pin(process.pid, 0)
    output, _ = await process.communicate()
    return float(output)


async def until_ready(url: str, token: str) -> None:
    """Returns when the address answers with 200."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers) as http, asyncio.timeout(30):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)
