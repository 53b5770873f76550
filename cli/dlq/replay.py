"""Sending dead-letters again to where they came from, each once."""

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aiokafka import AIOKafkaProducer

from cli.dlq.book import CLIENT, Book, Entry, Place, hindrance, read_on, with_values
from cli.dlq.marks import PATIENCE, Mark, State
from shared.kafka.admin import MOST_BYTES
from shared.kafka.dead_letters import Letter
from shared.kafka.follow import end_offsets, scan
from shared.kafka.message import OutMessage
from shared.kafka.producer import HOPELESS, RELIABLE
from shared.kafka.replays import replay, replayed_letters

AT_ONCE = 50  # messages; their values are in memory, and a claim must not become old before it is used


@dataclass(frozen=True)
class Mended:
    """What is sent in the place of what was: the value, unless it is None, and headers by name."""

    value: bytes | None
    headers: Mapping[str, bytes]

    def __call__(self, letter: Letter) -> Letter:
        """The letter with it."""
        kept = tuple((name, value) for name, value in letter.headers if name not in self.headers)
        value = letter.value if self.value is None else self.value
        return replace(letter, value=value, headers=(*kept, *self.headers.items()))


@dataclass(frozen=True)
class Outcome:
    """What became of a message: its letters, and where it stands now, or why it was not sent."""

    entries: Sequence[Entry]
    at: int | None
    why: str = ""


class Replayer:
    """One run. Use it within `async with`."""

    def __init__(self, kafka: str, book: Book, mended: Mended) -> None:
        self._kafka = kafka
        self._book = book
        self._mended = mended
        self._run = uuid.uuid4().hex
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka, client_id=CLIENT, max_request_size=MOST_BYTES, **RELIABLE
        )

    async def __aenter__(self) -> "Replayer":
        """Connect; raises KafkaError."""
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    def refused(self, entries: Iterable[Entry]) -> list[Outcome]:
        """Those that can't be sent, with the reason."""
        told = [(entry, self._hindrance(entry)) for entry in entries]
        return [Outcome([entry], None, why) for entry, why in told if why]

    def groups(self, entries: Iterable[Entry]) -> list[list[Entry]]:
        """The messages to send, each with all letters that are of it."""
        return self._book.copies([entry for entry in entries if not self._hindrance(entry)])

    async def send(self, groups: Sequence[list[Entry]]) -> list[Outcome]:
        """Send each message once, and say so; raises KafkaError."""
        done: list[Outcome] = []
        for first in range(0, len(groups), AT_ONCE):
            some = groups[first : first + AT_ONCE]
            done += await self._send(some, await self._claim(some))
        return done

    def _hindrance(self, entry: Entry) -> str | None:
        mended = self._mended.value is not None
        return hindrance(entry, self._book.mark(entry), mended=mended, headers=self._mended.headers)

    async def _claim(self, groups: Sequence[list[Entry]]) -> float:
        """Returns when it was."""
        topics = {entry.letter.topic for group in groups for entry in group}
        ends = {topic: await end_offsets(self._kafka, topic, CLIENT) for topic in topics}
        began = time.monotonic()
        entries = [entry for group in groups for entry in group]
        await self._mark((entry, "claimed", ends[entry.letter.topic][entry.letter.partition]) for entry in entries)
        await read_on(self._kafka, self._book)
        return began

    async def _send(self, groups: Sequence[list[Entry]], claimed: float) -> list[Outcome]:
        values = {entry.place: letter async for entry, letter in with_values(self._kafka, [g[0] for g in groups])}
        done: list[Outcome] = []
        for group in groups:
            if time.monotonic() - claimed > PATIENCE / 2:
                await self._mark((entry, "released", 0) for entry in group)
                done.append(Outcome(group, None, "Kafka was too slow: try again"))
            elif all(self._is_ours(entry) for entry in group):
                done.append(await self._send_one(group, values[group[0].place]))
            else:
                await self._mark((entry, "released", 0) for entry in group)
                done.append(Outcome(group, None, "another process is replaying it"))
        return done

    def _is_ours(self, entry: Entry) -> bool:
        mark = self._book.mark(entry)
        return mark is not None and mark.run == self._run

    async def _send_one(self, group: list[Entry], letter: Letter) -> Outcome:
        services = {entry.letter.service for entry in group}
        try:
            at = await self._put(replay(self._mended(letter), [entry.name for entry in group], services))
        except HOPELESS as error:  # after any other error it may be there all the same: the claim stays
            await self._mark((entry, "released", 0) for entry in group)
            return Outcome(group, None, f"Kafka refuses it: {error}")
        await self._mark((entry, "done", at) for entry in group)
        return Outcome(group, at)

    async def _mark(self, told: Iterable[tuple[Entry, State, int]], run: str | None = None) -> None:
        marks = [Mark(entry.place, state, run or self._run, at) for entry, state, at in told]
        await asyncio.gather(*(self._put(mark.message()) for mark in marks))

    async def _put(self, message: OutMessage) -> int:
        told = {"key": message.key, "partition": message.partition, "headers": list(message.headers)}
        sent = await self._producer.send_and_wait(message.topic, message.value, **told)
        return int(sent.offset)

    async def settle(self, patience: float = PATIENCE) -> None:
        """Close the claims of processes that have died, so many seconds ago: what they had sent is done, the rest is
        free again.
        """
        marks = {place: (entry, self._book.own_mark(place)) for place, entry in self._book.entries.items()}
        old = (time.time() - patience) * 1_000
        open_ = {p: (e, m) for p, (e, m) in marks.items() if m and m.state == "claimed" and m.time_ms < old}
        sent = await self._sent(open_) if open_ else {}
        for entry, mark in open_.values():
            state: State = "done" if entry.name in sent else "released"
            await self._mark([(entry, state, sent.get(entry.name, 0))], mark.run)
        if open_:
            await read_on(self._kafka, self._book)

    async def _sent(self, claims: Mapping[Place, tuple[Entry, Mark]]) -> dict[str, int]:
        """Where replays of these letters stand, by the letter's name."""
        begins: dict[str, dict[int, int]] = {}
        for entry, mark in claims.values():
            of_topic, partition = begins.setdefault(entry.letter.topic, {}), entry.letter.partition
            of_topic[partition] = min(mark.at, of_topic.get(partition, mark.at))
        found: dict[str, int] = {}
        for topic, of_topic in begins.items():
            async for message in scan(self._kafka, topic, CLIENT, of_topic):
                for name in replayed_letters(message):
                    found.setdefault(name, message.offset)
        return found
