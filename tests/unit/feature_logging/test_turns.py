"""Of what is assigned to a worker neither predictions nor labels are read far ahead of the others."""

from collections.abc import Collection

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.turns import Turns
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.message import InMessage
from shared.kafka.standing import Standing

OWN, MORE, OTHERS = (TopicPartition(PREDICTIONS, number) for number in range(3))
LABEL, LATE = (TopicPartition(LABELS, number) for number in range(2))


class FakeStanding(Standing):
    """One worker's, of those of the other `others` logged the messages before a time; `now` stands as the test says."""

    def __init__(self, *own: TopicPartition) -> None:
        self.end: dict[TopicPartition, float] = dict.fromkeys(own, 10)
        self.now, self.taken, self.others, self.others_of = 0.0, 0, 100, OTHERS
        self.turns = Turns(lambda _: self.taken, dict.fromkeys((LABELS, PREDICTIONS), 100), 3, 60, lambda: self.now)

    @property
    def assigned(self) -> Collection[TopicPartition]:
        return list(self.end)

    def heard(self) -> dict[TopicPartition, float]:
        return self.end

    def all(self) -> set[TopicPartition]:
        return {*self.end, self.others_of}

    async def until(self, places: Collection[TopicPartition], milliseconds: int) -> dict[TopicPartition, int]:
        assert not set(places) & set(self.end)
        return dict.fromkeys(places, milliseconds)

    async def done(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.others)

    def read(self, place: TopicPartition, offset: int, at: int) -> None:
        self.turns.passed(InMessage(place.topic, place.partition, offset, None, None, (), at))

    async def turn(self, seconds: float = 1) -> Collection[TopicPartition]:
        self.now += seconds
        turn = await self.turns.turn(self)
        assert turn.only is None or len(turn.only) < len(self.end)
        self.most = turn.most
        return set(self.end) if turn.only is None else set(turn.only)


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


async def test_a_message_is_read_of_each_until_it_is_known_when_they_came() -> None:
    kafka = FakeStanding(OWN, LABEL, LATE)
    assert (await kafka.turn(), kafka.most) == ({OWN, LABEL, LATE}, 1)
    kafka.read(OWN, 3, 5)
    kafka.read(LABEL, 3, 9)
    assert (await kafka.turn(), kafka.most) == ({LATE}, 1)
    kafka.end[LATE] = 0
    assert (await kafka.turn(), kafka.most) == ({OWN, LATE}, 500)
    kafka.turns.begin({})
    await kafka.turn()
    assert kafka.most == 1


async def test_partitions_of_one_topic_are_seconds_ahead_of_each_other_at_most() -> None:
    kafka = FakeStanding(OWN, MORE)
    kafka.read(OWN, 3, 1_000)
    kafka.read(MORE, 3, 4_000)
    assert await kafka.turn() == {OWN, MORE}
    kafka.read(MORE, 4, 4_001)
    assert await kafka.turn() == {OWN}


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


async def test_who_was_not_asked_for_a_long_time_is_waited_for() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.read(OWN, 3, 5)
    assert await kafka.turn() == {LABEL}
    assert await kafka.turn(3600) == {LABEL}


async def test_partitions_that_were_logged_to_their_end_hold_nothing_up() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.turns.begin({LABEL: 10, OWN: 3})
    kafka.read(OWN, 3, 5)
    assert await kafka.turn() == {OWN, LABEL}
    kafka.read(LABEL, 7, 1)  # read again
    assert await kafka.turn() == {OWN, LABEL}


async def test_labels_wait_for_other_workers_predictions_from_the_first_on() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.others = 6
    assert await kafka.turn() == {OWN, LABEL}
    kafka.taken += 1
    for place in (LABEL, OWN):
        kafka.read(place, 3, 7)
    assert await kafka.turn() == {OWN}
    kafka.read(LABEL, 9, 8)  # its last: others are asked of it, though more came since
    kafka.end[LABEL] = 11
    kafka.read(OWN, 4, 9)
    assert await kafka.turn() == set()
    kafka.others = 7
    assert await kafka.turn() == {LABEL}
    kafka.turns.begin(dict.fromkeys(kafka.end, 0))
    kafka.others = 6
    assert await kafka.turn() == {OWN, LABEL}
    kafka.taken += 1
    kafka.read(LABEL, 9, 8)
    assert await kafka.turn() == {OWN}


async def test_predictions_wait_for_other_workers_labels_but_for_seconds() -> None:
    kafka = FakeStanding(OWN)
    kafka.others_of = LATE
    kafka.others = 5_000
    kafka.taken += 1
    kafka.read(OWN, 3, 8_001)
    assert await kafka.turn() == set()
    kafka.others = 5_001
    assert await kafka.turn() == {OWN}


async def test_the_others_are_asked_once_all_partitions_have_given_something_or_are_at_their_end() -> None:
    kafka = FakeStanding(LABEL, LATE)
    kafka.others = 6
    kafka.taken += 1
    kafka.read(LABEL, 3, 7)
    assert await kafka.turn() == {LABEL, LATE}
    kafka.read(LATE, 9, 5)
    assert await kafka.turn() == set()
    kafka.others = 7
    assert await kafka.turn() == {LABEL, LATE}
    kafka.turns.begin({LATE: 10})
    kafka.others = 6
    kafka.read(LABEL, 9, 7)
    kafka.taken += 1
    assert await kafka.turn() == set()


async def test_what_gives_nothing_for_a_minute_is_not_waited_for_again_whatever_it_is_held_up_by() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.others_of, kafka.others = LATE, -5_000
    kafka.read(OWN, 3, 5)
    for _ in range(62):
        kafka.others += 1
        await kafka.turn()
    assert await kafka.turn() == {OWN, LABEL}
    assert await kafka.turn(30) == {OWN, LABEL}  # a commit took so long
    kafka.taken += 1
    kafka.others += 1
    kafka.read(OWN, 4, 7_000)
    assert OWN not in await kafka.turn()
    kafka.others = 7_000
    assert await kafka.turn() == {OWN, LABEL}


async def test_a_message_without_a_time_tells_none() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.read(OWN, 3, 5)
    kafka.read(LABEL, 3, 0)
    assert (await kafka.turn(), kafka.most) == ({LABEL}, 1)
    assert await kafka.turn() == {LABEL}


async def test_what_gives_nothing_is_not_waited_for_again_after_its_topic_was_held_up() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.read(LABEL, 3, 5)
    kafka.read(OWN, 3, 6)
    for _ in range(62):
        await kafka.turn()
    assert await kafka.turn() == {OWN, LABEL}
    kafka.taken, kafka.others = 200, 1
    assert await kafka.turn() == {OWN}
    assert await kafka.turn() == {OWN}


async def test_an_answer_that_comes_after_partitions_were_assigned_says_nothing_of_them() -> None:
    kafka = FakeStanding(LABEL)

    class Rebalanced(FakeStanding):
        async def done(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
            kafka.turns.begin({LABEL: 3})
            return await super().done(places)

    kafka.__class__ = Rebalanced
    kafka.taken += 1
    kafka.read(LABEL, 3, 7)
    assert await kafka.turn() == set()
    assert await kafka.turn() == {LABEL}


async def test_after_partitions_were_assigned_all_are_waited_for() -> None:
    kafka = FakeStanding(OWN, LABEL)
    kafka.read(OWN, 3, 5)
    for _ in range(62):
        await kafka.turn()
    assert await kafka.turn() == {OWN, LABEL}
    kafka.turns.begin({})
    kafka.read(OWN, 3, 5)
    assert await kafka.turn() == {LABEL}
