"""The rule that makes a crash harmless: dead-letters, then state, then offsets, then the word that depends on it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.sources import Sources
from services.drift_detection.domain.watched import Watched
from services.drift_detection.store.entries import Entry, version_of
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.store.sources import read_partitions
from services.drift_detection.stream.cycle import ModelCycle, SourceCycle, Voice
from services.drift_detection.stream.intake import BatchIntake, WordIntake
from shared.batch import decode_batch, encode_batch
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import DataQualityReported, DriftDetected, Event, RowsTooLate, WindowClosed
from shared.kafka.admin import DEAD_LETTERS, DRIFT, PARTIALS, PREDICTIONS
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer
from tests.unit.drift_detection.offline import Content, content, last_words
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, fitted, hours, watched_with

SIGNER = Signer("drift_detection", Ed25519PrivateKey.generate())

BUNDLE = watched_with((), (7_200,), 50)
PARTITIONS = 3
HOMES = 2
EVERY = 9  # one in so many steps of a life is tried as its last, others with each seed
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
    """What survives a crash: the topics, committed offsets, the tables, all that was sent."""

    def __init__(self, batches: dict[int, list[bytes]]) -> None:
        self.log = {PREDICTIONS: batches, PARTIALS: {home: list[bytes]() for home in range(HOMES)}}
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
            headers=None,
            timestamp=float(APPENDED),
        )
        return SimpleNamespace(message=message, ack=ack)


class Shelf:
    """One bundle."""

    async def get(self, digest: str) -> Watched:
        if digest != DIGEST:
            raise Unreadable(f"bundle {digest}: none")
        return BUNDLE


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


class Sides:
    """One life of a process: both sides, restored, reading on from the committed offsets."""

    def __init__(self, world: World, sources: Collection[int], homes: Collection[int]) -> None:
        self.world = world
        catalogue = {DIGEST: BUNDLE}
        partitions = read_partitions(list(world.sources.entries.items()), sources)
        mergings = read_mergings(
            list(world.models.entries.items()), homes, lambda number: Merging(number, PARTITIONS, catalogue)
        )
        self.batches = BatchIntake(Sources(partitions, catalogue, HOMES), Shelf())  # type: ignore[arg-type]
        self.words = WordIntake(mergings, catalogue, Shelf())  # type: ignore[arg-type]
        voice = Voice(world, SIGNER, alive)  # type: ignore[arg-type]
        self._sources = SourceCycle(self.batches, world.sources, voice)
        self._models = ModelCycle(self.words, world.models, voice)
        held = [(PREDICTIONS, number) for number in sources] + [(PARTIALS, number) for number in homes]
        self.following = {place: world.committed.get(place, 0) for place in held}

    def unread(self) -> list[tuple[str, int]]:
        return [place for place, offset in self.following.items() if offset < len(self.world.log[place[0]][place[1]])]

    async def take(self, place: tuple[str, int]) -> None:
        event = self.world.read(*place, self.following[place])
        await (self.batches if place[0] == PREDICTIONS else self.words).take(event)
        self.following[place] += 1

    async def cycle(self) -> None:
        unread = self.unread()
        await self._sources.run(
            [number for number in self.batches.sources.partitions if (PREDICTIONS, number) not in unread]
        )
        await self._models.run()


async def live(world: World, seed: int) -> None:
    """A cycle now and then until nothing is left to read or say."""
    random = np.random.default_rng(seed)
    sides = Sides(world, range(PARTITIONS), range(HOMES))
    quiet = 0
    while quiet < 3:
        unread = sides.unread()
        if unread:
            await sides.take(unread[random.integers(len(unread))])
        quiet = 0 if unread else quiet + 1
        if random.random() < 0.3 or not unread:
            await sides.cycle()


def said(world: World) -> list[Event]:
    events = []
    for message in world.sent:
        if message.topic == DRIFT:
            as_read = InMessage(DRIFT, 0, 0, message.key, message.value, message.headers, 0)
            events.append(decode(as_read))
    return events


def contents(world: World) -> dict[str, Content]:
    """Of each window, by its last word."""
    return {name: content(word) for name, word in last_words(said(world)).items()}


def reports(world: World) -> dict[str, str]:
    """What was said last of the quality of each window."""
    last: dict[str, DataQualityReported] = {}
    for event in said(world):
        if isinstance(event, DataQualityReported) and event.revision >= getattr(
            last.get(event.window_id), "revision", 0
        ):
            last[event.window_id] = event
    return {name: event.model_dump_json(exclude={"id", "revision"}) for name, event in last.items()}


def incidents(world: World) -> set[str]:
    return {event.incident_id for event in said(world) if isinstance(event, DriftDetected)}


async def uninterrupted() -> World:
    world = make_world()
    await live(world, seed=0)
    return world


async def test_all_is_said_once_and_nothing_is_left_to_commit() -> None:
    world = await uninterrupted()
    words = [event for event in said(world) if isinstance(event, WindowClosed)]
    assert Counter((word.scale_seconds, word.scale_rows) for word in words) == {
        (None, None): 7,
        (7200, None): 3,
        (None, 50): 3,
    }
    assert sum(isinstance(event, DriftDetected) for event in said(world)) == 1
    assert world.committed == {
        (topic, number): len(messages)
        for topic, log in world.log.items()
        for number, messages in log.items()
        if messages
    }
    assert [message.topic for message in world.sent].count("driftline.dead-letters") == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_crash_at_any_step_changes_no_last_word(seed: int) -> None:
    expected = await uninterrupted()
    world = make_world()
    await live(world, seed)
    steps = 10**9 - world.steps_left
    for crash_at in range(seed, steps, EVERY):
        world = make_world()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, seed)
        assert_offsets_are_behind_the_state(world)
        world.steps_left = 10**9
        await live(world, seed + 100)
        assert contents(world) == contents(expected)
        assert reports(world) == reports(expected)
        assert incidents(world) == incidents(expected)
        letters = [message for message in world.sent if message.topic == "driftline.dead-letters"]
        assert 1 <= len(letters) <= 2
        assert {letter.value for letter in letters} == {b"rubbish"}


def assert_offsets_are_behind_the_state(world: World) -> None:
    states = read_partitions(list(world.sources.entries.items()), range(PARTITIONS))
    homes = read_mergings(
        list(world.models.entries.items()), range(HOMES), lambda number: Merging(number, PARTITIONS, {})
    )
    for (topic, number), offset in world.committed.items():
        assert offset <= (states if topic == PREDICTIONS else homes)[number].offset + 1


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_share_the_partitions_say_what_one_says(seed: int) -> None:
    random, world = np.random.default_rng(seed), make_world()
    workers = [Sides(world, [0], []), Sides(world, [2], [1]), Sides(world, [1], [0])]
    quiet = 0
    while quiet < 9:
        sides = workers[random.integers(len(workers))]
        unread = sides.unread()
        if unread and random.random() < 0.8:
            await sides.take(unread[random.integers(len(unread))])
        else:
            await sides.cycle()
        quiet = 0 if any(worker.unread() for worker in workers) else quiet + 1
    for sides in [*workers, *workers]:
        await sides.cycle()
        for place in sides.unread():
            await sides.take(place)
    for sides in workers:
        await sides.cycle()
    assert contents(world) == contents(await uninterrupted())
    assert reports(world) == reports(await uninterrupted())


async def test_one_that_was_replaced_says_and_stores_nothing_more() -> None:
    world = make_world(unreadable=False)
    sides = Sides(world, [0], [])

    def replaced() -> None:
        raise Crash

    sides._sources._voice.alive = replaced
    await sides.take((PREDICTIONS, 0))
    with pytest.raises(Crash):
        await sides.cycle()
    assert (world.sources.entries, world.sent, world.committed) == ({}, [], {})


async def test_rows_too_late_are_told_by_window_and_rows_in_the_future_are_put_aside_as_a_batch() -> None:
    world = make_world(unreadable=False)
    times, rows, scores = hours(0, 1)
    late = fitted(batch(DIGEST, times, rows, scores), BUNDLE)
    far = times + np.timedelta64(8 * HOUR, "us")
    far[:4] = np.datetime64("2100-01-01T00:00:00", "us")
    future = fitted(batch(DIGEST, far, rows, scores, role="shadow"), BUNDLE)
    world.log[PREDICTIONS][0] += [encode_batch(late), encode_batch(future)]
    world.steps_left = 10**9
    await live(world, seed=1)
    [told] = [event for event in said(world) if isinstance(event, RowsTooLate)]
    first = next(word for word in said(world) if isinstance(word, WindowClosed) and word.is_pane)
    assert [(one.start, one.rows, one.window_id) for one in told.windows] == [(first.start, 30, first.window_id)]
    assert (told.role, told.partition, told.offset) == ("champion", 0, len(world.log[PREDICTIONS][0]) - 2)
    [letter] = [message for message in world.sent if message.topic == DEAD_LETTERS]
    kept = decode_batch(letter.value)
    assert (len(kept), kept.meta.role) == (4, "shadow")
    assert dict(letter.headers)["driftline-reason"].startswith(b"event_time: 4 rows")
    words = [word for word in last_words(said(world)).values() if word.is_pane]
    assert sum(word.rows for word in words if word.role == "champion") == 8 * 30
