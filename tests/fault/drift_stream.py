"""A steady stream of predictions, the workers that watch it, and what they must have said in the end."""

import asyncio
import contextlib
import itertools
import random
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer

from shared.batch import PredictionBatch, encode_batch
from shared.kafka.admin import DEAD_LETTERS, PREDICTIONS
from tests.fault.steady import FULL
from tests.integration.drift_service import Service, broker_and_producer, events, make_bundle, read_all
from tests.unit.drift_detection.offline import Offline, last_words
from tests.unit.drift_detection.pumps import (
    HOUR,
    ROWS_PER_HOUR,
    START,
    batch,
    definition_with,
    fitted,
    hours,
    watched_with,
)

FIRST = -9_000  # hours before the reference ends: long enough, and all of it is past
FAULT = 50  # hours later the temperature comes in another unit
PER_MESSAGE = 1
HOURS = 4  # made at once
MOST = 10**6 if FULL else 2_400
SEGMENTS = ("all", "site=north", "site=south")


class Steady:
    """Sends `rate` messages a second over three partitions, in order of event time but for `shuffle` places.

    At most MOST of them, then it waits for its end.
    """

    def __init__(self, producer: AIOKafkaProducer, digest: str, rate: float, shuffle: float = 0) -> None:
        self.sent: list[PredictionBatch] = []
        self.ended = False
        self._producer = producer
        self._digest = digest
        self._rate = rate
        self._shuffle = shuffle
        self._random = random.Random(7)  # noqa: S311  # an order

    async def run(self) -> None:
        """Until `ended`, and then to the end of the hours begun."""
        hour, loop = FIRST, asyncio.get_running_loop()
        begun = loop.time()
        while not self.ended:
            if len(self.sent) < MOST:
                await self._send(self._messages(hour, HOURS))
                hour += HOURS
            await asyncio.sleep(max(begun + len(self.sent) / self._rate - loop.time(), 0.05))
        await self._producer.flush()

    def _messages(self, hour: int, count: int) -> list[PredictionBatch]:
        times, rows, scores = hours(hour, count)
        rows.numeric[times >= START + np.timedelta64((FIRST + FAULT) * HOUR, "us"), 0] -= 80
        parts = [slice(first, first + PER_MESSAGE) for first in range(0, len(times), PER_MESSAGE)]
        bundle = watched_with(*WATCHED)
        made = [fitted(batch(self._digest, times[part], rows[part], scores[part]), bundle) for part in parts]
        order = [number + self._random.uniform(0, self._shuffle) for number in range(len(made))]
        return [made[number] for number in np.argsort(order)]

    async def _send(self, messages: Sequence[PredictionBatch]) -> None:
        for message in messages:
            value = encode_batch(message)
            await self._producer.send(PREDICTIONS, value, partition=len(self.sent) % 3)
            self.sent.append(message)

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator["Steady"]:
        """Send while the body runs."""
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            self.ended = True
            await task

    @property
    def hours(self) -> int:
        """How many were sent."""
        return len(self.sent) * PER_MESSAGE // ROWS_PER_HOUR


class Stage:
    """A broker, a model with segments and scales, workers, a stream."""

    def __init__(self, state: Path, kafka: str, producer: AIOKafkaProducer, digest: str, shuffle: float) -> None:
        self.stream = Steady(producer, digest, rate=200, shuffle=shuffle)
        self._state, self._kafka, self._digest = state, kafka, digest

    def worker(self, name: str = "") -> Service:
        """One that is not started yet; one with a name gets its partitions back at once after a crash."""
        named = {"DRIFTLINE_INSTANCE": name} if name else {}
        return Service(self._state, self._kafka, **named)

    async def said_all(self, workers: Sequence[Service]) -> str:
        """Wait until all that was sent is said; fails if it is not what an offline recomputation says."""
        rows, told = len(self.stream.sent) * PER_MESSAGE, {}
        for _ in range(1_200):
            told = await self._told(workers)
            if (told.get("rows"), told.get("windows")) == (rows, self.stream.hours - 1):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{told}, expected {rows} rows: {workers[0].said()[-3_000:]}")
        await asyncio.sleep(2)
        said = await events(self._kafka)
        offline = Offline(self.stream.sent, watched_with(*WATCHED, self._digest))
        offline.assert_said(said, offline.newest, SEGMENTS)
        assert await read_all(self._kafka, DEAD_LETTERS) == []
        return f"{len(self.stream.sent)} messages, {len(last_words(said))} windows, each as recomputed offline"

    async def explained_by_all(self, workers: Sequence[Service]) -> list[str]:
        """The ids of the incidents, each of which every worker tells and explains."""
        shown = [(await worker.get("/v1/incidents")).json() for worker in workers]
        assert all(one == shown[0] for one in shown)
        names = [str(one["incident_id"]) for one in shown[0]]
        for worker, name in itertools.product(workers, names):
            told = await worker.get(f"/v1/incidents/{name}/explain")
            assert (told.status_code, told.json()["incident_id"]) == (200, name)
        for worker in workers:
            assert (await worker.get("/v1/incidents/none/explain")).status_code == 404
        return names

    async def _told(self, workers: Sequence[Service]) -> dict[str, object]:
        """By the worker that holds the model."""
        for worker in workers:
            if worker.process.returncode is None:
                told = (await worker.get("/v1/progress")).json()
                if "pumps" in told:
                    return dict(told["pumps"][self._digest]["champion"])
        return {}


WATCHED = (("site",), (21_600, 86_400), 500)  # segments, and windows of six hours, a day and 500 rows


@contextlib.asynccontextmanager
async def stage(state: Path, shuffle: float = 0) -> AsyncIterator[Stage]:
    """All of it, with no worker yet."""
    digest = make_bundle(state, told=(definition_with(*WATCHED), watched_with(*WATCHED).reference))
    async with broker_and_producer(state) as (kafka, producer):
        yield Stage(state, kafka, producer, digest, shuffle)


async def end(workers: Sequence[Service]) -> None:
    """Kill what is left."""
    for worker in workers:
        if worker.process.returncode is None:
            worker.process.send_signal(signal.SIGCONT)
            await worker.end(signal.SIGKILL)
