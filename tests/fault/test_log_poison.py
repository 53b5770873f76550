"""One message in a hundred is poison: it alone goes to the dead-letters, and what is mended comes back, once."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from deltalake import DeltaTable

from cli.dlq.book import Entry, read_book
from cli.dlq.replay import Mended, Replayer
from cli.dlq.run import replay_letters
from shared.batch import encode_batch
from shared.cloudevents import encode
from shared.kafka.admin import DEAD_LETTERS, PREDICTIONS
from shared.kafka.dead_letters import Letter, read_letter
from shared.kafka.message import OutMessage
from tests.fault.steady import FULL
from tests.integration.feature_log_service import (
    ROOT,
    Service,
    batch,
    kafka_of_its_own,
    make_bundle,
    read_all,
    until_all_is_committed,
)
from tests.integration.log_stream import (
    MODELS,
    ROWS,
    Stream,
    check_next_offsets,
    completeness,
    logged,
    producing,
)
from tests.poison import Poison, one_label, poisons

MESSAGES = 100_000 if FULL else 0  # at least so many as have each poison once
PATIENCE = 900 if FULL else 60
LATE = "a bundle that comes late"
LARGE = {"DRIFTLINE_COMMIT_ROWS": "20000"}
Place = tuple[str, int, int]


class Flow:
    """Good messages, and every hundredth a poison; `buried` are the poisons by their places."""

    def __init__(self, state: Path) -> None:
        self.stream = Stream({model: make_bundle(state, model) for model in MODELS})
        self.kinds = poisons(batch("flights", self.stream.digests["flights"], 0, 3), one_label("wine"))
        late = make_bundle(state, "trips")
        self._bundle, self._hidden = state / "bundles" / late, state / late
        self._bundle.rename(self._hidden)
        message = OutMessage(PREDICTIONS, encode_batch(batch("trips", late, 0, ROWS)))
        self.kinds.append(Poison(LATE, message, f"bundle {late}"))
        self.buried: dict[Place, Poison] = {}

    def show_bundle(self) -> None:
        """The bundle that was missing is there."""
        self._hidden.rename(self._bundle)

    def names(self, entries: Iterable[Entry]) -> dict[str, list[str]]:
        """The dead-letters' names by their kind."""
        found: dict[str, list[str]] = {}
        for entry in entries:
            found.setdefault(self.buried[place_of(entry.letter)].kind, []).append(entry.name)
        return found

    async def send(self, producer: AIOKafkaProducer) -> None:
        for number in range(max(MESSAGES // 100, len(self.kinds))):
            await self.stream.send(producer, 99)
            poison = self.kinds[number % len(self.kinds)]
            at = await sent(producer, poison.message, number % 3)
            self.buried[at] = poison

    def check(self, state: Path, letters: Iterable[Letter]) -> None:
        """The dead-letters, and the table of what was rejected, are of the poisons, and of nothing else."""
        found = {place_of(letter): letter for letter in letters}
        assert found.keys() == self.buried.keys()
        for place, letter in found.items():
            poison = self.buried[place]
            assert (letter.value, letter.headers) == (poison.message.value, poison.message.headers), poison.kind
            assert poison.reason in letter.reason, poison.kind
        rows = DeltaTable(state / "tables" / "_rejected").to_pyarrow_table().to_pylist()
        rejected = {(row["topic"], row["partition"], row["offset"]): row["reason"] for row in rows}
        assert rejected == {place: letter.reason for place, letter in found.items()}
        assert logged(state / "tables") == self.stream.sent


async def sent(producer: AIOKafkaProducer, out: OutMessage, partition: int) -> Place:
    at = await producer.send_and_wait(out.topic, out.value, key=out.key, partition=partition, headers=list(out.headers))
    return (at.topic, at.partition, at.offset)


def place_of(letter: Letter) -> Place:
    return (letter.topic, letter.partition, letter.offset)


async def letters_of(kafka: str, count: int) -> list[Letter]:
    read = [read_letter(message) for message in await read_all(kafka, DEAD_LETTERS, count)]
    return [letter for letter in read if letter is not None]


def driftline(*words: str) -> str:
    """What the command prints."""
    command = (sys.executable, "-m", "cli", "dlq", *words)
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


class Dying(Replayer):
    """One that is killed before it sends a message, or before it says that it has sent it."""

    def __init__(self, *arguments: Any, sends: bool) -> None:
        super().__init__(*arguments)
        self._sends = sends

    async def _put(self, message: OutMessage) -> int:
        said = dict(message.headers).get("driftline-state")
        if said == b"done" or (said is None and not self._sends):
            raise ZeroDivisionError
        return await super()._put(message)


class Mending:
    """Replays what can be mended; `names` are letters by their kind, `added` label rows that must come of it."""

    def __init__(self, kafka: str, folder: Path, names: dict[str, list[str]]) -> None:
        self.kafka = kafka
        self.names = names
        self.added = 0
        self._folder = folder
        self._label = dict(encode(one_label("wine"), "inference").headers)

    async def all(self) -> None:
        await self.by_hand()
        await self.late_bundle()
        await self.cut_short("labels: forged subject", "ce_subject", sends=True)
        await self.cut_short("labels: headers that are no text", "ce_type", sends=False)

    async def replay(self, names: Sequence[str], *headers: str, really: bool = True) -> tuple[list[str], bool]:
        mended = (None, {name: self._label[name] for name in headers})
        return await replay_letters(self.kafka, (names, None, None), mended, really=really)

    async def by_hand(self) -> None:
        name, file = self.names["labels: not a number"][0], self._folder / "mended"
        where = ("--bootstrap", self.kafka)
        await asyncio.to_thread(driftline, "show", name, "--out", str(file), *where)
        file.write_bytes(file.read_bytes().replace(b"NaN", b"1.0"))
        said = await asyncio.to_thread(driftline, "replay", name, "--file", str(file), "--yes", *where)
        assert said.startswith(f"{name}: to driftline.labels/")
        self.added += 1

    async def late_bundle(self) -> None:
        names = self.names[LATE]
        planned, _ = await self.replay(names, really=False)
        assert planned[-1] == "nothing was sent: say --yes"
        first, second = await asyncio.gather(self.replay(names), self.replay(names))
        assert sorted([sum("not sent" in line for line in lines) for lines, _ in (first, second)]) == [0, len(names)]

    async def cut_short(self, kind: str, header: str, *, sends: bool) -> None:
        """The process dies; the next one looks whether it had sent the message."""
        name, mended = self.names[kind][0], Mended(None, {header: self._label[header]})
        book = await read_book(self.kafka)
        async with Dying(self.kafka, book, mended, sends=sends) as dying:
            with pytest.raises(ZeroDivisionError):
                await dying.send(dying.groups(book.find([name])))
        assert "another process" in (await self.replay([name], header))[0][0]
        async with Replayer(self.kafka, await read_book(self.kafka), mended) as later:
            await later.settle(patience=0)
        assert ("was replayed" in (await self.replay([name], header))[0][0]) == sends
        self.added += 1


async def test_poison_alone_goes_to_the_dead_letters_and_what_is_mended_comes_back_once(tmp_path: Path) -> None:
    flow = Flow(tmp_path)
    async with kafka_of_its_own(tmp_path) as kafka, producing(kafka) as producer:
        async with Service(tmp_path, kafka, **LARGE).running() as service:
            await flow.send(producer)
            check_next_offsets(tmp_path, await until_all_is_committed(kafka, PATIENCE))
            flow.check(tmp_path, await letters_of(kafka, len(flow.buried)))
            flow.show_bundle()
            mending = Mending(kafka, tmp_path, flow.names((await read_book(kafka)).entries.values()))
            await mending.all()
            await until_all_is_committed(kafka, PATIENCE)
            assert await service.end() == 0
        assert len(await letters_of(kafka, len(flow.buried))) == len(flow.buried)
        again, left = await mending.replay([*mending.names[LATE], *mending.names["labels: not a number"][:1]])
        assert all("was replayed" in line for line in again)
        assert left
    assert completeness(tmp_path)["complete"]
    assert sum((logged(tmp_path / "tables") - flow.stream.sent).values()) == mending.added
    late = DeltaTable(tmp_path / "tables" / "trips" / "predictions").to_pyarrow_table(columns=["source_offset"])
    assert len(late) == ROWS * len(mending.names[LATE])
    print({"messages": MESSAGES, "poisoned": len(flow.buried), "kinds": len(flow.kinds)})
