"""Any worker knows the incidents of all models, whichever worker holds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.state import Incident
from services.drift_detection.store.incidents import decode_incidents, encode_incidents, packed
from services.drift_detection.stream.incidents import IncidentFeed, IncidentNews
from shared.events import DriftedFeature
from shared.kafka.admin import INCIDENTS
from shared.kafka.message import InMessage, OutMessage
from tests.unit.drift_detection.cycle_world import as_read


def incident(name: str) -> Incident:
    return Incident(
        incident_id=name,
        digest="a" * 64,
        opened=2,
        onset=1,
        last_alarm=2,
        severity="minor",
        features={},
        also_moved={},
        windows={1: ["temp"]},
    )


class Home:
    """A worker that holds one model."""

    def __init__(self, model: str, *names: str, version: int = 1) -> None:
        self.merging = Merging(0, 1, {})
        self.record = self.merging.watch(model).record
        self.record.incidents, self.record.version = [incident(name) for name in names], version
        self.news = IncidentNews()

    def tells(self) -> list[OutMessage]:
        """In a cycle in which the model has changed."""
        return self.news.of([self.merging], {self.record.model})


@dataclass
class Topic:
    """What was told and not read yet; it is read once the feed asks, if it can be. `readings` counts how often."""

    feed: IncidentFeed
    unread: list[OutMessage] = field(default_factory=list)
    readings: int = 0

    async def follow(self) -> None:
        while True:
            if not self.feed.caught_up.is_set():
                for message in self.unread:
                    await self.feed.take(as_read(message))
                self.unread.clear()
                self.readings += 1
                await asyncio.sleep(0.001)  # what is told from here on belongs to the next
                self.feed.caught_up.set()
            await asyncio.sleep(0)


async def bury(letters: list[OutMessage]) -> None:
    raise AssertionError(f"{letters} can be read")


@asynccontextmanager
async def following(*messages: OutMessage) -> AsyncIterator[Topic]:
    topic = Topic(IncidentFeed(bury), list(messages))
    task = asyncio.create_task(topic.follow())
    try:
        yield topic
    finally:
        task.cancel()


async def test_any_worker_finds_the_incidents_that_others_hold_as_soon_as_they_told_them() -> None:
    pumps, fans = Home("pumps", "one"), Home("fans", "two", "three")
    async with following(*pumps.tells()) as topic:
        assert await topic.feed.find("three") is None
        topic.unread += fans.tells()
        assert await topic.feed.find("three") == ("fans", incident("three"))
        fans.record.incidents.append(incident("four"))
        topic.unread += fans.tells()
        known = await topic.feed.known()
        assert {model: [one.incident_id for one in there] for model, there in known.items()} == {
            "pumps": ["one"],
            "fans": ["two", "three", "four"],
        }


async def test_all_who_ask_while_it_is_read_share_the_next_reading() -> None:
    async with following() as topic:
        await topic.feed.known()
        before = topic.readings
        first = asyncio.create_task(topic.feed.known())
        while topic.readings == before:  # noqa: ASYNC110  # it says so in no event
            await asyncio.sleep(0)
        topic.unread += Home("pumps", "one").tells()
        late = await asyncio.gather(*(topic.feed.known() for _ in range(20)))
        assert await first == {}
        assert late == [{"pumps": [incident("one")]}] * 20
        assert topic.readings == before + 2


async def test_of_two_workers_that_tell_of_one_model_the_later_holder_is_right() -> None:
    after, before = Home("pumps", "new", version=2 << 32), Home("pumps", "old", version=(1 << 32) + 9)
    async with following(*after.tells(), *before.tells()) as topic:
        assert [one.incident_id for one in (await topic.feed.known())["pumps"]] == ["new"]


async def test_what_can_not_be_read_just_now_is_no_answer_but_what_is_known_is() -> None:
    feed = IncidentFeed(bury, patience=0.01)
    for message in Home("pumps", "one").tells():
        await feed.take(as_read(message))
    assert await feed.find("one") == ("pumps", incident("one"))
    with pytest.raises(TimeoutError):
        await feed.find("two")
    with pytest.raises(TimeoutError):
        await feed.known()


async def test_incidents_are_told_when_they_change_and_after_a_start() -> None:
    home = Home("pumps", "one")
    assert len(home.tells()) == 1
    assert home.tells() == []
    home.record.incidents[0].state = "resolved"
    assert home.news.of([home.merging], set()) == []  # nothing of the model is stored in this cycle
    assert len(home.tells()) == 1
    assert len(IncidentNews().of([home.merging], set())) == 1
    assert Home("fans").tells() == []


@pytest.mark.parametrize(
    ("most", "streams", "shown"), [(10**6, 300, 300), (20_000, 300, 3), (5_500, 200, 0), (400, 1, 0)]
)
def test_an_incident_of_very_many_streams_is_told_in_a_form_that_fits(most: int, streams: int, shown: int) -> None:
    home, random = Home("pumps", "one"), np.random.default_rng(0)
    told = {"rule": "shape", "statistic": 9, "threshold": 5, "evidence": 9, "effect": 1}
    for number in range(300):
        share = random.random(30).tolist()
        one = DriftedFeature(name=f"f{number}", size=random.random(), expected=share, recent=share, **told)
        home.record.incidents[0].features[one.stream] = one
    content, is_whole = packed(home.record, most)
    assert len(content) <= most
    found = decode_incidents(as_read(encode_incidents(home.record, content))).incidents[0].features
    heaviest = max(home.record.incidents[0].features.values(), key=lambda one: one.size or 0.0)
    assert heaviest.name in found
    assert (len(found), sum(bool(one.recent) for one in found.values())) == (streams, shown)
    assert is_whole == (shown == 300)
    assert len(home.record.incidents[0].features) == 300


@pytest.mark.parametrize("value", [None, b"", b"rubbish", b"12345678rubbish"])
async def test_what_tells_of_no_incidents_is_a_dead_letter(value: bytes | None) -> None:
    buried: list[OutMessage] = []

    async def keep(letters: list[OutMessage]) -> None:
        buried.extend(letters)

    await IncidentFeed(keep).take(InMessage(INCIDENTS, 0, 7, b"pumps", value, (), 0))
    [letter] = buried
    assert ("driftline-offset", b"7") in letter.headers
