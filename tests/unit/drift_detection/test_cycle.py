"""The rule that makes a crash harmless: dead-letters, then state, then offsets, then the model's word, then events."""

from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.store.codec import Entry, read_state, version_of
from services.drift_detection.stream.cycle import Cycle
from services.drift_detection.stream.intake import Intake
from shared.batch import encode_batch
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import DriftDetected, Event, WindowClosed, WindowRevised
from shared.kafka.admin import DRIFT, PREDICTIONS
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

SIGNER = Signer("drift_detection", Ed25519PrivateKey.generate())

PARTITIONS = 3
APPENDED = int(START.astype(np.int64)) // 1_000_000 + 10_000_000


class Crash(Exception):
    """The process dies here."""


@dataclass
class World:
    """What survives a crash: the source topic, committed offsets, the table, all that was sent."""

    log: dict[int, list[bytes]]
    committed: dict[int, int] = field(default_factory=dict)
    table: dict[bytes, bytes] = field(default_factory=dict)
    sent: list[OutMessage] = field(default_factory=list)
    steps_left: int = 10**9

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Crash

    async def write(self, entries: Collection[Entry]) -> None:
        for key, value in entries:
            self.step()
            assert key not in self.table or version_of(value) >= version_of(self.table[key])
            self.table[key] = value

    async def remove(self, keys: Collection[bytes]) -> None:
        for key in keys:
            self.step()
            self.table.pop(key, None)

    async def send(self, messages: Collection[OutMessage]) -> None:
        for message in messages:
            self.step()
            self.sent.append(message)

    def read(self, partition: int, offset: int) -> Any:
        def ack() -> None:
            self.committed[partition] = max(self.committed.get(partition, 0), offset + 1)

        message = SimpleNamespace(
            topic=PREDICTIONS,
            partition=partition,
            offset=offset,
            key=None,
            value=self.log[partition][offset],
            headers=None,
            timestamp=float(APPENDED),
        )
        return SimpleNamespace(message=message, ack=ack)


class Shelf:
    """One bundle."""

    async def get(self, digest: str) -> Watched:
        if digest != DIGEST:
            raise Unreadable(f"bundle {digest}: none")
        return watched()


def make_world(unreadable: bool = True) -> World:
    times, rows, scores = hours(0, 8)
    rows.numeric[times >= START + np.timedelta64(5 * HOUR, "us"), 0] -= 20
    log: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for number, first in enumerate(range(0, len(times), 10)):
        part = slice(first, first + 10)
        log[number % PARTITIONS].append(encode_batch(batch(DIGEST, times[part], rows[part], scores[part])))
    if unreadable:
        log[1].insert(3, b"rubbish")
    return World(log)


async def live(world: World, seed: int) -> None:
    """One life of the process: restore, read on from the committed offsets, a cycle now and then."""
    random = np.random.default_rng(seed)
    states, records = read_state(list(world.table.items()), range(PARTITIONS))
    engine = Engine(states, {record.model: ModelWatch(record) for record in records})
    engine.catalogue = {digest: watched(digest) for digest in engine.digests()}
    engine.drop_final()
    intake = Intake(engine, Shelf())  # type: ignore[arg-type]
    cycle = Cycle(intake, world, world, SIGNER, speaks=True)  # type: ignore[arg-type]
    following = {number: world.committed.get(number, 0) for number in world.log}
    while unread := [number for number, offset in following.items() if offset < len(world.log[number])]:
        number = int(random.choice(unread))
        await intake.take(world.read(number, following[number]))
        following[number] += 1
        if random.random() < 0.4:
            await cycle.run(lambda: {number for number in following if following[number] == len(world.log[number])})
    await cycle.run(lambda: set(following))
    await cycle.run(lambda: set(following))


def said(world: World) -> list[Event]:
    events = []
    for message in world.sent:
        if message.topic == DRIFT:
            as_read = InMessage(DRIFT, 0, 0, message.key, message.value, message.headers, 0)
            events.append(decode(as_read))
    return events


def last_words(events: list[Event]) -> dict[str, object]:
    """Of each window; fails if two events of one id differ."""
    by_id: dict[str, Event] = {}
    last: dict[str, WindowClosed | WindowRevised] = {}
    for event in events:
        assert by_id.setdefault(event.id, event) == event
        if isinstance(event, WindowClosed | WindowRevised):
            before = last.get(event.window_id)
            if before is None or event.revision > before.revision:
                last[event.window_id] = event
    return {name: (word.rows, word.numeric, word.categorical, word.scores) for name, word in last.items()}


async def uninterrupted() -> World:
    world = make_world()
    await live(world, seed=0)
    return world


async def test_all_is_said_once_and_nothing_is_left_to_commit() -> None:
    world = await uninterrupted()
    assert len(last_words(said(world))) == 7
    assert sum(isinstance(event, DriftDetected) for event in said(world)) == 1
    assert world.committed == {number: len(messages) for number, messages in world.log.items()}
    assert [message.topic for message in world.sent].count("driftline.dead-letters") == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_crash_at_any_step_changes_no_last_word(seed: int) -> None:
    expected = await uninterrupted()
    world = make_world()
    await live(world, seed)
    steps = 10**9 - world.steps_left
    for crash_at in range(steps):
        world = make_world()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, seed)
        world.steps_left = 10**9
        await live(world, seed + 100)
        events = said(world)
        assert last_words(events) == last_words(expected_events := said(expected))
        detected = {event.incident_id for event in events if isinstance(event, DriftDetected)}
        assert detected == {event.incident_id for event in expected_events if isinstance(event, DriftDetected)}
        letters = [message for message in world.sent if message.topic == "driftline.dead-letters"]
        assert 1 <= len(letters) <= 2
        assert {letter.value for letter in letters} == {b"rubbish"}


async def test_offsets_never_overtake_the_state() -> None:
    world = make_world()
    await live(world, seed=0)
    total = 10**9 - world.steps_left
    for crash_at in range(total):
        world = make_world()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, seed=0)
        states, _ = read_state(list(world.table.items()), range(PARTITIONS))
        for number, offset in world.committed.items():
            assert offset <= states[number].offset + 1


async def test_a_worker_without_all_partitions_stores_but_does_not_speak() -> None:
    world = make_world(unreadable=False)
    states, _ = read_state([], [0])
    intake = Intake(Engine(states, {}), Shelf())  # type: ignore[arg-type]
    cycle = Cycle(intake, world, world, SIGNER, speaks=False)  # type: ignore[arg-type]
    for offset in range(len(world.log[0])):
        await intake.take(world.read(0, offset))
    await cycle.run(lambda: {0})
    assert world.sent == []
    assert world.committed == {0: len(world.log[0])}
    assert b"0/head" in world.table
