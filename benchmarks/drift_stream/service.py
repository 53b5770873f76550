"""The whole service on a real Kafka: how much of a core it takes, how its memory grows, how soon a window is told."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from benchmarks.drift_stream.data import MODEL, PANE_SECONDS, START, Messages, make_bundle
from cli.stack import Plan, Service, Stack, running_stack
from shared.cloudevents import decode
from shared.events import WindowClosed
from shared.kafka.admin import DRIFT, PREDICTIONS
from shared.kafka.reading import from_record
from shared.keys import make_keys
from shared.reference.panes import time_of

SIZE = 256
ROWS_PER_SECOND = 1_000  # of event time
_NAME = "drift_detection"
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PANE = PANE_SECONDS * 1_000_000


class Sample(NamedTuple):
    """After so many seconds: CPU seconds that the process has taken, its memory in MB, rows it has counted."""

    seconds: float
    cpu: float
    megabytes: float
    rows: int


class Delay(NamedTuple):
    """Seconds from the acknowledgement of the message that ends a window to the window's event."""

    p50: float
    p99: float
    windows: int


@asynccontextmanager
async def broker(state: Path) -> AsyncIterator[tuple[Stack, Messages]]:
    """A broker with Driftline's topics, and messages for the one model."""
    make_keys(state)
    messages = Messages(make_bundle(state), SIZE)
    async with running_stack(Plan(state / "broker", ()), _say) as stack:
        yield stack, messages


@asynccontextmanager
async def service(state: Path, kafka: str) -> AsyncIterator[tuple[str, int]]:
    """The service on that broker, on the machine's last core: its address and process."""
    core = str((os.cpu_count() or 1) - 1)
    started = Service(_NAME, ("taskset", "--cpu-list", core, sys.executable, "-m", f"services.{_NAME}"))
    async with running_stack(Plan(state, (started,), bootstrap=kafka), _say) as stack:
        yield stack.addresses[_NAME], stack.pids[_NAME]


def _say(line: str) -> None:
    print(line, file=sys.stderr)


async def fill(kafka: str, messages: Messages, count: int) -> None:
    """Write so many messages, 60,000 rows to a window, over the three partitions in turns."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5, max_batch_size=900_000)
    await producer.start()
    spread = np.arange(SIZE) * (1_000_000 // ROWS_PER_SECOND)
    try:
        for number in range(count):
            times = START + (number * SIZE * (1_000_000 // ROWS_PER_SECOND) + spread).astype("timedelta64[us]")
            await producer.send(PREDICTIONS, messages.value(number, times), partition=number % 3)
    finally:
        await producer.stop()


async def follow(address: str, pid: int, token: str, rows: int) -> list[Sample]:
    """Look at the service twice a second until it has counted so many rows."""
    found: list[Sample] = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        while not found or found[-1].rows < rows:
            await asyncio.sleep(0.5)
            told = (await http.get(f"{address}/v1/progress", timeout=60)).json().get(MODEL, {})
            counted = sum(roles["champion"]["rows"] for roles in told.values())
            found.append(Sample(time.monotonic(), *_taken(pid), counted))
    return found


def _taken(pid: int) -> tuple[float, float]:
    """CPU seconds and MB of a process."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(after_name[11]) + int(after_name[12])) / _TICK, pages * _PAGE / 2**20


async def delays(kafka: str, messages: Messages, first: int, count: int) -> Delay:
    """End so many windows one by one, at any moment of the service's cycle; `first` is the number of the first one."""
    pauses = np.random.default_rng(1)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, fetch_max_wait_ms=10)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(DRIFT, 0)])
    await consumer.seek_to_end()
    try:
        found: list[float] = []
        for number in range(first, first + count + 1):
            times = START + np.full(SIZE, number * _PANE + 1).astype("timedelta64[us]")
            await producer.send_and_wait(PREDICTIONS, messages.value(number, times), partition=number % 3)
            began = time.monotonic()
            if number > first:
                await _until_told(consumer, time_of_window(number - 1))
                found.append(time.monotonic() - began)
            await asyncio.sleep(pauses.uniform(0.05, 0.3))
        return Delay(float(np.percentile(found, 50)), float(np.percentile(found, 99)), len(found))
    finally:
        await producer.stop()
        await consumer.stop()


def time_of_window(number: int) -> int:
    """The start of a window in microseconds since 1970 UTC."""
    return int(START.astype(np.int64)) + number * _PANE


async def _until_told(consumer: AIOKafkaConsumer, start: int) -> None:
    async with asyncio.timeout(60):
        while True:
            event = decode(from_record(await consumer.getone()))
            if isinstance(event, WindowClosed) and time_of(event.start) == start:
                return
