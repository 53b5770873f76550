"""One worker's life: state restored, messages taken in, cycles run, until it is stopped."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.types import TP
from structlog import get_logger

from services.drift_detection.domain.progress import Progress, progress
from services.drift_detection.models import Bundles
from services.drift_detection.stream.following import Following
from services.drift_detection.stream.holding import TOPICS, Holding, Tables
from services.drift_detection.stream.metrics import show_age
from services.drift_detection.stream.voice import Voice
from shared.deployments import Newest
from shared.errors import DriftlineError
from shared.events import DeploymentChanged
from shared.http import Health
from shared.kafka.producer import Producer
from shared.signing import Signer

log = get_logger()
SESSION_SECONDS = 10
PARTING_SECONDS = 5.0  # what a rebalance waits for a cycle: less than a session


class Stalled(DriftlineError):
    """The process stood still for longer than its session: another one may have taken its partitions."""


class Worker:
    """Holds the state of its partitions while they are assigned; nothing before and between.

    Any worker holds any partitions of the predictions and the outcomes, and any of the partials with the models at
    home there.
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
        self.progress: Progress = {}
        self._bundles = bundles
        self._voice = Voice(producer, signer, self._check_pulse)
        self._health = health
        self._holding: Holding | None = None
        self._readers: dict[str, Following] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._busy = asyncio.Lock()
        self._clock = clock
        self._beat = clock()
        self._deployments = Newest()

    async def restore(self, app: faust.App, tables: Tables) -> None:
        """Read the state from the tables once Faust has restored them.

        Raises:
            Unreadable: it is damaged.
        """
        async with self._busy:
            assigned = {topic: [tp for tp in app.consumer.assignment() if tp.topic == topic] for topic in TOPICS}
            earliest = await app.consumer.earliest_offsets(*(tp for places in assigned.values() for tp in places))
            self._first = {(place.topic, place.partition): offset for place, offset in earliest.items()}
            numbers = {topic: sorted(tp.partition for tp in places) for topic, places in assigned.items()}
            holding = Holding(self._bundles, self._voice, tables)
            await holding.restore(numbers, app.consumer_generation_id)
            for event in self._deployments.all():
                holding.deployed(event)
            self._readers = {topic: Following(partial(_seek, app, topic)) for topic in TOPICS}
            self._holding = holding
        log.info("state restored", **{topic.removeprefix("driftline."): held for topic, held in numbers.items()})
        self._health.ready()

    async def revoked(self) -> None:
        """Before a rebalance: let the cycle end, and take in and say nothing until the state is restored."""
        holding, self._holding = self._holding, None
        if holding is None:
            return
        try:
            async with asyncio.timeout(PARTING_SECONDS), self._busy:
                self._health.not_ready("restoring state")
        except TimeoutError:
            log.warning("a cycle goes on during a rebalance")

    async def take(self, topic: str, stream: Any) -> None:
        """Take in the stream's events; their offsets are released by the cycle, after the state is stored."""
        async for event in stream.noack().events():
            place = event.message
            holding = self._holding
            offset = None if holding is None else holding.offset(topic, place.partition)
            if holding is None or offset is None:
                continue  # between assignments, or for a partition that has gone, there is nothing to take it into
            following = self._after(topic, place.partition, offset)
            if await self._readers[topic].admits(place.partition, place.offset, following):
                await holding.take(topic, event)

    async def deployed(self, event: DeploymentChanged) -> None:
        """What serves now. Remembered, since the state may not be there yet."""
        self._deployments.take(event)
        if self._holding is not None:
            self._holding.deployed(event)

    async def work(self, app: faust.App, seconds: float) -> None:
        """Run a cycle every so often, while the partitions are this worker's.

        Raises:
            Stalled: the process stood still for too long.
        """
        while not app.should_stop:
            await asyncio.sleep(seconds)
            self._check_pulse()
            async with self._busy:
                if (holding := self._holding) is not None and not app.rebalancing:
                    await holding.cycle(partial(self._at_end, app, holding), time.time())
                    self.progress = progress(holding.mergings.values(), time.time())
                    show_age(self.progress)
                    for topic, reader in self._readers.items():
                        following = self._following(topic, holding)
                        await reader.nudge(following, _ends(app, topic, following), self._clock())

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

    def _following(self, topic: str, holding: Holding) -> dict[int, int]:
        """The offset that comes next, by partition."""
        offsets = holding.offsets(topic)
        return {number: self._after(topic, number, offset) for number, offset in offsets.items()}

    def _after(self, topic: str, partition: int, offset: int) -> int:
        return max(offset + 1, self._first.get((topic, partition), 0))

    def _at_end(self, app: faust.App, holding: Holding, topic: str) -> set[int]:
        """Partitions of a topic all of whose messages are in the state."""
        following = self._following(topic, holding)
        ends = _ends(app, topic, following)
        return {number for number, next_one in following.items() if _reached(next_one, ends[number])}


def _ends(app: faust.App, topic: str, following: Mapping[int, int]) -> dict[int, int | None]:
    """The offset after the last one, as far as the broker has told, by partition."""
    return {number: app.consumer.highwater(TP(topic, number)) for number in following}


def _reached(following: int, end: int | None) -> bool:
    return end is not None and following >= end


async def _seek(app: faust.App, topic: str, partition: int, offset: int) -> None:
    # In the consumer's thread: Faust's plain `seek` changes what that thread is reading, and crashes it now and then.
    with contextlib.suppress(IllegalStateError, TimeoutError):  # the partition goes: its next holder seeks by itself
        await app.consumer.seek_wait({TP(topic, partition): offset})
