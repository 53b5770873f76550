"""Labels are read when the predictions that were there before them are logged, by whichever worker."""

from collections.abc import Collection

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.turns import Turns
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.standing import Standing

OWN, OTHERS, LABEL = TopicPartition(PREDICTIONS, 0), TopicPartition(PREDICTIONS, 1), TopicPartition(LABELS, 0)
Offsets = dict[TopicPartition, int]


class FakeStanding(Standing):
    """One worker's of two; `clock` stands, and `taken` labels were, as the test says."""

    def __init__(self) -> None:
        self.at: Offsets = {OWN: 0, OTHERS: 0}
        self.end: Offsets = {OWN: 10, OTHERS: 10}
        self.now, self.taken = 0.0, 0
        self.turns = Turns(lambda: self.taken, 100, 60, lambda: self.now)

    @property
    def assigned(self) -> Collection[TopicPartition]:
        return [OWN, LABEL]

    def all(self) -> set[TopicPartition]:
        return {*self.end, LABEL}

    async def ends(self, places: Collection[TopicPartition]) -> Offsets:
        return {place: self.end[place] for place in places}

    async def read(self, places: Collection[TopicPartition]) -> Offsets:
        return {place: self.at[place] for place in places}

    async def labels_are_read(self, seconds: float = 1) -> bool:
        self.now += seconds
        turn = await self.turns.turn(self)
        assert turn in (None, [OWN])
        return turn is None


async def test_labels_wait_until_all_workers_have_read_what_was_there() -> None:
    kafka = FakeStanding()
    assert not await kafka.labels_are_read()
    kafka.at = {OWN: 10, OTHERS: 9}
    assert not await kafka.labels_are_read()
    kafka.end, kafka.at = {OWN: 99, OTHERS: 99}, {OWN: 10, OTHERS: 10}  # what came since is not waited for
    assert await kafka.labels_are_read()
    kafka.taken = 99
    assert await kafka.labels_are_read()
    kafka.taken = 100  # and again after so many
    assert not await kafka.labels_are_read()
    kafka.at = kafka.end
    assert await kafka.labels_are_read()
    kafka.turns.begin()
    assert await kafka.labels_are_read()


@pytest.mark.parametrize(("at", "read"), [(0, True), (1, False)])
async def test_predictions_that_nobody_reads_hold_labels_up_for_a_minute(at: int, read: bool) -> None:
    kafka = FakeStanding()
    for now in range(59):
        kafka.at[OWN] = 10 + now  # beyond its end: what is read there is no progress of the others
        assert not await kafka.labels_are_read()
    kafka.at[OTHERS] = at
    assert await kafka.labels_are_read(3) == read


async def test_partitions_that_are_not_known_yet_are_not_taken_for_read() -> None:
    kafka = FakeStanding()
    end, kafka.end = kafka.end, {}
    assert not await kafka.labels_are_read()
    kafka.end = end
    assert not await kafka.labels_are_read()
    kafka.at = end
    assert await kafka.labels_are_read()
