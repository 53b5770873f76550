"""Workers over tables and topics of memory, which may crash at any step."""

from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.sources import Sources
from services.drift_detection.domain.watched import Watched
from services.drift_detection.store.entries import Entry, version_of
from services.drift_detection.store.incidents import Told, decode_incidents
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.store.sources import read_partitions
from services.drift_detection.stream.cycle import ModelCycle, SourceCycle
from services.drift_detection.stream.intake import BatchIntake, WordIntake
from services.drift_detection.stream.voice import Voice
from shared.batch import encode_batch
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import DataQualityReported, DriftDetected, Event
from shared.kafka.admin import DRIFT, INCIDENTS, PARTIALS, PREDICTIONS
from shared.kafka.message import Headers, InMessage, OutMessage
from shared.signing import Signer
from tests.unit.drift_detection.offline import Content, contents_of, newest
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, fitted, hours, watched_with

SIGNER = Signer("drift_detection", Ed25519PrivateKey.generate())

BUNDLE = watched_with((), (7_200,), 50)
PARTITIONS = 3
HOMES = 2
EVERY = 25  # one in so many steps of a life is tried as its last, others with each seed
APPENDED = int(START.astype(np.int64)) // 1_000_000 + 10_000_000


class Crash(Exception):
    """The process dies here."""


@dataclass
class Table:
    """What a changelog keeps."""

    world: "World"
    entries: dict[bytes, bytes] = field(default_factory=dict)

    async def write(self, entries: Collection[Entry]) -> None:
        for key, value in entries:
            self.world.step()
            assert key not in self.entries or version_of(value) >= version_of(self.entries[key])
            self.entries[key] = value

    async def remove(self, keys: Collection[bytes]) -> None:
        for key in keys:
            self.world.step()
            self.entries.pop(key, None)


class World:
    """What survives a crash: the topics, committed offsets, the tables, all that was sent. `headers` by a message's
    topic, partition and offset.
    """

    def __init__(self, batches: dict[int, list[bytes]]) -> None:
        self.log = {PREDICTIONS: batches, PARTIALS: {home: list[bytes]() for home in range(HOMES)}}
        self.headers: dict[tuple[str, int, int], Headers] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.sources, self.models = Table(self), Table(self)
        self.sent: list[OutMessage] = []
        self.steps_left = 10**9

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Crash

    async def send(self, messages: Collection[OutMessage]) -> None:
        for message in messages:
            self.step()
            if message.topic == PARTIALS:
                assert message.partition is not None
                self.log[PARTIALS][message.partition].append(message.value)
            else:
                self.sent.append(message)

    def read(self, topic: str, partition: int, offset: int) -> Any:
        def ack() -> None:
            self.committed[topic, partition] = max(self.committed.get((topic, partition), 0), offset + 1)

        message = SimpleNamespace(
            topic=topic,
            partition=partition,
            offset=offset,
            key=None,
            value=self.log[topic][partition][offset],
            headers=self.headers.get((topic, partition, offset)),
            timestamp=float(APPENDED),
        )
        return SimpleNamespace(message=message, ack=ack)


@dataclass
class Shelf:
    """One bundle."""

    bundle: Watched

    async def get(self, digest: str) -> Watched:
        if digest != self.bundle.digest:
            raise Unreadable(f"bundle {digest}: none")
        return self.bundle


def make_world(unreadable: bool = True) -> World:
    times, rows, scores = hours(0, 8)
    rows.numeric[times >= START + np.timedelta64(5 * HOUR, "us"), 0] -= 20
    log: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for number, first in enumerate(range(0, len(times), 10)):
        part = slice(first, first + 10)
        log[number % PARTITIONS].append(
            encode_batch(fitted(batch(DIGEST, times[part], rows[part], scores[part]), BUNDLE))
        )
    if unreadable:
        log[1].insert(3, b"rubbish")
    return World(log)


def alive() -> None:
    """It is."""


class Process:
    """One life of a process: where it reads on in the topics of a world."""

    world: World
    following: dict[tuple[str, int], int]

    def unread(self) -> list[tuple[str, int]]:
        return [place for place, offset in self.following.items() if offset < len(self.world.log[place[0]][place[1]])]

    async def take(self, place: tuple[str, int]) -> None:
        raise NotImplementedError

    async def cycle(self) -> None:
        raise NotImplementedError

    async def live(self, seed: int, quiet_cycles: int = 3) -> None:
        """A cycle now and then until nothing is left to read or say."""
        random = np.random.default_rng(seed)
        quiet = 0
        while quiet < quiet_cycles:
            unread = self.unread()
            if unread:
                await self.take(unread[random.integers(len(unread))])
            quiet = 0 if unread else quiet + 1
            if random.random() < 0.3 or not unread:
                await self.cycle()


class Sides(Process):
    """Both sides, restored, reading on from the committed offsets."""

    def __init__(self, world: World, sources: Collection[int], homes: Collection[int]) -> None:
        self.world = world
        self.now = 0
        catalogue = {DIGEST: BUNDLE}
        partitions = read_partitions(list(world.sources.entries.items()), sources)
        mergings = read_mergings(
            list(world.models.entries.items()), homes, lambda number: Merging(number, PARTITIONS, catalogue)
        )
        self.batches = BatchIntake(Sources(partitions, catalogue, HOMES), Shelf(BUNDLE))  # type: ignore[arg-type]
        self.words = WordIntake(mergings, catalogue, Shelf(BUNDLE))  # type: ignore[arg-type]
        voice = Voice(world, SIGNER, alive)  # type: ignore[arg-type]
        self._sources = SourceCycle(self.batches, world.sources, voice)
        self._models = ModelCycle(self.words, world.models, voice)
        held = [(PREDICTIONS, number) for number in sources] + [(PARTIALS, number) for number in homes]
        self.following = {place: world.committed.get(place, 0) for place in held}

    async def take(self, place: tuple[str, int]) -> None:
        event = self.world.read(*place, self.following[place])
        await (self.batches if place[0] == PREDICTIONS else self.words).take(event)
        self.following[place] += 1

    async def cycle(self) -> None:
        unread = self.unread()
        await self._sources.run(
            [number for number in self.batches.sources.partitions if (PREDICTIONS, number) not in unread], self.now
        )
        await self._models.run()


async def live(world: World, seed: int) -> None:
    await Sides(world, range(PARTITIONS), range(HOMES)).live(seed)


def as_read(message: OutMessage) -> InMessage:
    return InMessage(message.topic, 0, 0, message.key, message.value, message.headers, 0)


def said(world: World) -> list[Event]:
    return [decode(as_read(message)) for message in world.sent if message.topic == DRIFT]


def told_of_incidents(world: World) -> list[Told]:
    """What the workers told each other of them."""
    return [decode_incidents(as_read(message)) for message in world.sent if message.topic == INCIDENTS]


def contents(world: World) -> dict[str, Content]:
    """Of each window, by its last word."""
    return contents_of(said(world))


def reports(world: World) -> dict[str, str]:
    """What was said last of the quality of each window."""
    last = newest(said(world), DataQualityReported)
    return {name: event.model_dump_json(exclude={"id", "revision"}) for name, event in last.items()}


def incidents(world: World) -> set[str]:
    return {event.incident_id for event in said(world) if isinstance(event, DriftDetected)}


async def uninterrupted() -> World:
    world = make_world()
    await live(world, seed=0)
    return world
