"""A topic is read on when the other workers have come as far with the other one."""

import asyncio
from collections.abc import Collection

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError, UnknownError

from services.feature_logging.stream import gate
from services.feature_logging.stream.gate import Gate
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.standing import Standing

OWN, OTHERS, THIRD = (TopicPartition(PREDICTIONS, number) for number in range(3))
LABEL, *LABELS_OF_OTHERS = (TopicPartition(LABELS, number) for number in range(4))
Offsets = dict[TopicPartition, int]


class Others(Standing):
    """Two partitions that others read, whose offsets are times; those before `at` are logged, those before `end` came.
    `error`: that there is no answer.
    """

    def __init__(self) -> None:
        self.at: Offsets = {OTHERS: 0, THIRD: 0}
        self.end = 1_000
        self.known = {OWN, OTHERS, THIRD, LABEL}
        self.error: Exception | None = None
        self.now, self.taken, self.asked = 0.0, 0, 0
        self.gate = Gate(PREDICTIONS, 100, 5, 60, lambda: self.now)

    @property
    def assigned(self) -> Collection[TopicPartition]:
        return [OWN, LABEL]

    def all(self) -> set[TopicPartition]:
        return self.known

    async def until(self, places: Collection[TopicPartition], milliseconds: int) -> Offsets:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {place: min(milliseconds + 1, self.end) for place in places}

    async def done(self, places: Collection[TopicPartition]) -> Offsets:
        return {place: self.at[place] for place in places}

    async def open(self, taken: int, until: int | None, seconds: float = 1) -> bool:
        self.now += seconds
        return await self.gate.is_open(self, taken, until)


async def test_it_is_open_until_the_first_row_and_then_until_the_others_have_come_as_far() -> None:
    others = Others()
    assert await others.open(0, None)
    assert not await others.open(1, 15)
    others.at = {OTHERS: 11, THIRD: 10}
    assert not await others.open(1, 15)
    others.at[THIRD] = 11  # 5 before
    assert not await others.open(1, 15, 0.1)  # Kafka is not asked so often
    assert await others.open(1, 15)


async def test_they_are_asked_at_half_and_waited_for_at_the_whole() -> None:
    others = Others()
    others.at = {OTHERS: 50, THIRD: 50}
    assert await others.open(1, 50)
    assert others.asked == 1
    assert await others.open(50, 90)
    assert others.asked == 1
    assert await others.open(51, 90)
    assert await others.open(100, 90)
    assert others.asked == 3
    assert not await others.open(101, 90)
    others.at = {OTHERS: 86, THIRD: 86}
    assert await others.open(101, 90)
    assert await others.open(150, 900)


async def test_of_several_workers_each_takes_a_share() -> None:
    others = Others()
    others.at = {OTHERS: 50, THIRD: 50}
    assert await others.open(1, 50)
    others.known.update(LABELS_OF_OTHERS)
    assert await others.open(50, 90)
    assert not await others.open(51, 90)  # 50 of the 200 of all


async def test_after_partitions_were_assigned_it_is_asked_anew_whatever_was_heard_before() -> None:
    others = Others()
    others.at = {OTHERS: 50, THIRD: 900}
    for _ in range(62):
        await others.open(1, 100)
    assert await others.open(101, 200)
    others.gate.begin(101)
    assert await others.open(101, None)
    assert not await others.open(102, 200)


async def test_an_answer_that_comes_after_partitions_were_assigned_says_nothing_of_them() -> None:
    others = Others()
    others.at = {OTHERS: 900, THIRD: 900}
    answer = others.done

    async def late(places: Collection[TopicPartition]) -> Offsets:
        others.gate.begin(50)
        return await answer(places)

    others.done = late  # type: ignore[method-assign]
    assert not await others.open(1, 15)
    others.done, others.at = answer, {OTHERS: 60, THIRD: 60}  # type: ignore[method-assign]
    assert not await others.open(51, 100)


async def test_what_came_since_is_not_waited_for_nor_what_is_not_so_late_as_was_thought() -> None:
    others = Others()
    others.end, others.at = 30, {OTHERS: 20, THIRD: 30}
    assert not await others.open(1, 5_000)
    others.end, others.at = 60, {OTHERS: 30, THIRD: 30}
    assert await others.open(1, 5_000)
    others.at = {OTHERS: 40, THIRD: 40}
    assert not await others.open(101, 5_000)
    assert await others.open(101, 44)


@pytest.mark.parametrize(("at", "read"), [(4, True), (5, False)])
async def test_those_that_make_no_progress_are_waited_for_a_minute_and_then_no_more(at: int, read: bool) -> None:
    others = Others()
    others.at = {OTHERS: 4, THIRD: 900}
    for _ in range(61):
        assert not await others.open(1, 100)
    others.at[OTHERS] = at
    assert await others.open(1, 100) == read
    assert await others.open(101, 150, 600) == read
    others.at[OTHERS] += 1
    assert not await others.open(201, 200)


async def test_what_was_not_asked_for_long_may_have_made_progress() -> None:
    others = Others()
    assert not await others.open(1, 100)
    assert not await others.open(1, 100, 600)
    assert not await others.open(1, 100, 15)


@pytest.mark.parametrize("error", [KafkaTimeoutError("no leader"), UnknownError("78"), None])
async def test_no_answer_is_no_progress(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_ANSWER_SECONDS", 0.01)
    others = Others()
    others.error = error

    async def silent(places: Collection[TopicPartition]) -> Offsets:
        return await asyncio.sleep(60, dict.fromkeys(places, 0))

    if error is None:
        monkeypatch.setattr(others, "done", silent)
    for _ in range(61):
        assert not await others.open(1, 100)
    assert others.asked == 6  # there may be long to wait for an answer
    assert await others.open(1, 100, 8)
    assert await others.open(101, 200, 600)
    others.error = None
    monkeypatch.undo()
    assert not await others.open(201, 300)


async def test_between_answers_no_answer_is_no_progress_either() -> None:
    others = Others()
    for second in range(72):
        others.error = None if second % 30 else UnknownError("once")
        assert not await others.open(1, 100)
    others.error = None
    assert await others.open(1, 100, 10)


async def test_partitions_that_are_not_known_yet_are_not_taken_for_read() -> None:
    others = Others()
    known, others.known = others.known, {LABEL}
    assert not await others.open(1, 100)
    others.known = known
    assert not await others.open(1, 100)
    others.known = {OWN}
    assert await others.open(1, 100)
