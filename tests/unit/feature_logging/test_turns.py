"""Neither predictions nor labels are read far ahead of the others, by whichever worker."""

from collections.abc import Collection

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.turns import Turns
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.message import InMessage
from shared.kafka.standing import Standing

OWN, MORE, OTHERS = (TopicPartition(PREDICTIONS, number) for number in range(3))
LABEL, LATE = (TopicPartition(LABELS, number) for number in range(2))
Offsets = dict[TopicPartition, int]


class FakeStanding(Standing):
    """One worker's of two, whose `others` are short; `now` stands, and `taken` labels were, as the test says."""

    def __init__(self, *own: TopicPartition) -> None:
        self.end: dict[TopicPartition, float] = dict.fromkeys(own, 10)
        self.others: Offsets = {}
        self.known = {*own, OTHERS}
        self.now, self.taken, self.asked = 0.0, 0, 0
        self.turns = Turns(lambda: self.taken, 100, 60, lambda: self.now)

    @property
    def assigned(self) -> Collection[TopicPartition]:
        return list(self.end)

    def heard(self) -> dict[TopicPartition, float]:
        return self.end

    def all(self) -> set[TopicPartition]:
        return self.known

    async def short(self, places: Collection[TopicPartition], milliseconds: int) -> Offsets:
        assert not set(places) & set(self.end)
        self.asked = milliseconds
        return self.others

    def read(self, place: TopicPartition, offset: int, at: int) -> None:
        self.turns.passed(InMessage(place.topic, place.partition, offset, None, None, (), at))
        self.taken += place.topic == LABELS

    async def turn(self, seconds: float = 1) -> Collection[TopicPartition]:
        self.now += seconds
        turn = await self.turns.turn(self)
        assert turn is None or len(turn) < len(self.end)
        return set(self.end) if turn is None else set(turn)


async def test_the_topic_that_is_behind_is_read_until_it_has_come_as_far_or_to_its_end() -> None:
    kafka = FakeStanding(OWN, MORE, LABEL, LATE)
    assert await kafka.turn() == {OWN, MORE, LABEL, LATE}
    for place, at in ((OWN, 5), (MORE, 7), (LABEL, 6), (LATE, 9)):
        kafka.read(place, 3, at)
    assert await kafka.turn() == {OWN}
    kafka.read(OWN, 4, 6)  # up to the same time both are read
    assert await kafka.turn() == {OWN, LABEL}
    kafka.read(OWN, 9, 8)  # its last
    assert await kafka.turn() == {LABEL}
    kafka.read(LABEL, 8, 10)
    assert await kafka.turn() == {OWN, MORE}
    kafka.read(MORE, 9, 8)
    assert await kafka.turn() == {OWN, MORE, LABEL, LATE}
    kafka.end[MORE] = 11
    assert await kafka.turn() == {OWN, MORE}


@pytest.mark.parametrize("end", [10, float("inf")])
async def test_what_has_more_and_gives_nothing_for_a_minute_is_not_waited_for(end: float) -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.end[LABEL] = end
    kafka.read(OWN, 3, 5)
    for _ in range(60):
        assert await kafka.turn() == {LABEL}
    assert await kafka.turn(2) == {OWN, LABEL}
    kafka.read(LABEL, 3, 4)
    assert await kafka.turn() == {LABEL}
    kafka.read(LABEL, 4, 6)
    for _ in range(100):  # who may not be read gives nothing either
        assert await kafka.turn() == {OWN}
        kafka.read(OWN, 3, 5)
    kafka.read(OWN, 3, 7)
    assert await kafka.turn() == {LABEL}


async def test_partitions_that_were_logged_to_their_end_hold_nothing_up() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.turns.begin({LABEL: 10, OWN: 3})
    kafka.read(OWN, 3, 5)
    assert await kafka.turn() == {OWN, LABEL}
    kafka.read(LABEL, 7, 1)  # read again
    assert await kafka.turn() == {OWN, LABEL}


async def test_labels_wait_for_the_predictions_of_other_workers() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.others = {OTHERS: 4}
    assert await kafka.turn() == {OWN, LABEL}
    kafka.read(LABEL, 3, 7)
    kafka.read(OWN, 3, 8)
    assert await kafka.turn() == set()
    assert kafka.asked == 7
    kafka.others = {}
    assert await kafka.turn(0.1) == set()  # Kafka isn't asked so often
    assert await kafka.turn() == {LABEL}
    kafka.others = {OTHERS: 5}
    kafka.taken += 99
    assert await kafka.turn() == {LABEL}
    kafka.taken += 1
    assert await kafka.turn() == set()
    kafka.end[LABEL] = 4
    assert await kafka.turn() == {OWN}
    assert kafka.asked == 7


@pytest.mark.parametrize(("at", "read"), [(4, True), (5, False)])
async def test_predictions_that_nobody_reads_hold_labels_up_for_a_minute(at: int, read: bool) -> None:
    kafka = FakeStanding(LABEL)
    kafka.others = {OTHERS: 4}
    kafka.read(LABEL, 9, 7)
    for _ in range(60):
        assert await kafka.turn() == set()
    kafka.others = {OTHERS: at}
    assert (await kafka.turn(2) == {LABEL}) == read


async def test_partitions_that_are_not_known_yet_are_not_taken_for_read() -> None:
    kafka = FakeStanding(LABEL)
    kafka.read(LABEL, 9, 7)
    kafka.known = {LABEL}
    assert await kafka.turn() == set()
    kafka.known = {LABEL, OTHERS}
    assert await kafka.turn() == {LABEL}


async def test_after_each_assignment_it_is_asked_again() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.read(LABEL, 9, 7)
    kafka.read(OWN, 9, 7)
    assert await kafka.turn() == {OWN, LABEL}
    kafka.turns.begin({OWN: 10, LABEL: 10})
    kafka.others = {OTHERS: 4}
    assert await kafka.turn() == {OWN, LABEL}
    kafka.read(LABEL, 9, 7)
    assert await kafka.turn() == {OWN}
