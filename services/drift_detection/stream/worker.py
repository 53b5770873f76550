"""One worker's life: state restored, messages taken in, cycles run, until it is stopped."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import faust
from faust.types import TP
from structlog import get_logger

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.progress import Progress, progress
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.models import Bundles
from services.drift_detection.store.codec import read_state
from services.drift_detection.store.table import StateTable
from services.drift_detection.stream.cycle import Cycle
from services.drift_detection.stream.following import Following
from services.drift_detection.stream.intake import Intake
from shared.deployments import Newest
from shared.errors import DriftlineError, Unreadable
from shared.events import DeploymentChanged
from shared.http import Health
from shared.kafka.admin import PREDICTIONS
from shared.kafka.producer import Producer
from shared.signing import Signer

log = get_logger()
SESSION_SECONDS = 10


class Stalled(DriftlineError):
    """The process stood still for longer than its session: another one may have taken its partitions."""


class Worker:
    """Holds the engine while its partitions are assigned; None before and between.

    `progress` is that of the last cycle: all events up to there are sent.
    """

    def __init__(  # the clock is an option
        self,
        bundles: Bundles,
        producer: Producer,
        signer: Signer,
        health: Health,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.intake: Intake | None = None
        self.progress: Progress = {}
        self._bundles = bundles
        self._producer = producer
        self._signer = signer
        self._health = health
        self._cycle: Cycle | None = None
        self._reader: Following | None = None
        self._first: dict[int, int] = {}
        self._busy = asyncio.Lock()
        self._clock = clock
        self._beat = clock()
        self._deployments = Newest()

    @property
    def engine(self) -> Engine | None:
        """The state, if there is one."""
        return self.intake.engine if self.intake else None

    async def restore(self, app: faust.App, table: StateTable) -> None:
        """Read the state from the table once Faust has restored it.

        Raises:
            Unreadable: it is damaged.
        """
        async with self._busy:
            assigned = [tp for tp in app.consumer.assignment() if tp.topic == PREDICTIONS]
            earliest = await app.consumer.earliest_offsets(*assigned)
            self._first = {tp.partition: offset for tp, offset in earliest.items()}
            states, records = read_state(table.entries(), sorted(tp.partition for tp in assigned))
            engine = Engine(states, {record.model: ModelWatch(record) for record in records})
            await self._load_bundles(engine)
            engine.drop_final()
            for event in self._deployments.all():
                engine.deployed(event)
            self._reader = Following(partial(_seek, app))
            self.intake = Intake(engine, self._bundles)
            complete = len(assigned) == table.partitions
            self._cycle = Cycle(self.intake, table, self._producer, self._signer, speaks=complete)
        self._tell_health(complete)

    def _tell_health(self, complete: bool) -> None:
        if complete:
            self._health.ready()
        else:
            self._health.not_ready(f"another worker holds some partitions of {PREDICTIONS}; windows need them all")

    async def _load_bundles(self, engine: Engine) -> None:
        for digest in sorted(engine.digests()):
            try:
                engine.catalogue[digest] = await self._bundles.get(digest)
            except Unreadable as error:
                log.warning("windows under way wait for their bundle", why=str(error))

    async def take(self, stream: Any) -> None:
        """Take in the stream's events; their offsets are released by the cycle, after the state is stored."""
        async for event in stream.noack().events():
            place = event.message
            intake, reader, following = self.intake, self._reader, self._following()
            # Between assignments, or for a partition that has gone, there is nothing to take it into.
            if intake is None or reader is None or place.partition not in following:
                continue
            if await reader.admits(place.partition, place.offset, following[place.partition]):
                await intake.take(event)

    async def deployed(self, event: DeploymentChanged) -> None:
        """What serves now. Remembered, since the state may not be there yet."""
        self._deployments.take(event)
        if self.engine is not None:
            self.engine.deployed(event)

    async def work(self, app: faust.App, seconds: float) -> None:
        """Run a cycle every so often, while the partitions are this worker's.

        Raises:
            Stalled: the process stood still for too long.
        """
        while not app.should_stop:
            await asyncio.sleep(seconds)
            self._check_pulse()
            async with self._busy:
                if self._cycle is not None and self._reader is not None and not app.rebalancing:
                    await self._cycle.run(lambda: self._at_end(app))
                    self.progress = progress(self._cycle.engine)
                    await self._reader.nudge(self._following(), self._ends(app), self._clock())

    def _check_pulse(self) -> None:
        stood = self._clock() - self._beat
        if stood > SESSION_SECONDS:
            raise Stalled(f"this process stood still for {stood:.0f} s, longer than its session of {SESSION_SECONDS} s")

    async def beat(self) -> None:
        """Note that the loop runs."""
        while True:
            self._check_pulse()
            self._beat = self._clock()
            await asyncio.sleep(0.5)

    def _following(self) -> dict[int, int]:
        """The offset that comes next, by partition."""
        states = self.engine.partitions if self.engine else {}
        return {number: max(state.offset + 1, self._first.get(number, 0)) for number, state in states.items()}

    def _ends(self, app: faust.App) -> dict[int, int | None]:
        """The offset after the last one, as far as the broker has told, by partition."""
        return {number: app.consumer.highwater(TP(PREDICTIONS, number)) for number in self._following()}

    def _at_end(self, app: faust.App) -> set[int]:
        """Partitions all of whose messages are in the state."""
        ends = self._ends(app)
        return {number for number, next_one in self._following().items() if _reached(next_one, ends[number])}


def _reached(following: int, end: int | None) -> bool:
    return end is not None and following >= end


async def _seek(app: faust.App, partition: int, offset: int) -> None:
    await app.consumer.seek(TP(PREDICTIONS, partition), offset)
