"""However partitions are shared, and however slow a worker is, workers that have much to read keep together."""

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Sequence

import pytest
from aiokafka import TopicPartition

from services.feature_logging.stream.turns import Turns
from shared.kafka.admin import LABELS, PREDICTIONS
from shared.kafka.message import InMessage
from shared.kafka.standing import Standing

P, L = ([TopicPartition(topic, number) for number in range(3)] for topic in (PREDICTIONS, LABELS))
Offsets = dict[TopicPartition, int]
MOST = {LABELS: 25_000, PREDICTIONS: 50_000}
ROWS = 200  # of a message
EVERY = 5.0
# Messages of a backlog of 1,000 s, evenly; times in ms by partition.
MESSAGES = dict.fromkeys(P, 2_000) | {L[0]: 2_000, L[1]: 400, L[2]: 100}
STEP = 50  # 6 MiB of labels are some 10,000 of each partition
KAFKA = {place: [(number + 1) * 1_000_000 // count for number in range(count)] for place, count in MESSAGES.items()}


class Worker(Standing):
    """Reads some messages of a partition, takes `cost` seconds for each, and commits every five seconds."""

    def __init__(self, own: Sequence[TopicPartition], committed: Offsets, cost: float) -> None:
        self.own, self.group, self.cost = own, committed, cost
        self.at: Offsets = dict.fromkeys(own, 0)
        self.taken = Counter[str]()
        self.now = self.committed_at = 0.0
        self.turns = Turns(lambda topic: self.taken[topic], MOST, 3 * EVERY, 65, lambda: self.now)

    @property
    def assigned(self) -> Collection[TopicPartition]:
        return self.own

    def heard(self) -> dict[TopicPartition, float]:
        return {place: len(KAFKA[place]) for place in self.own}

    def all(self) -> set[TopicPartition]:
        return set(KAFKA)

    async def until(self, places: Collection[TopicPartition], milliseconds: int) -> Offsets:
        return {place: bisect_right(KAFKA[place], milliseconds) for place in places}

    async def done(self, places: Collection[TopicPartition]) -> Offsets:
        return {place: self.group[place] for place in places}

    async def poll(self) -> None:
        turn = await self.turns.turn(self)
        began = self.now
        for place in self.own if turn.only is None else turn.only:
            for offset in range(self.at[place], min(self.at[place] + min(turn.most, STEP), len(KAFKA[place]))):
                self.turns.passed(message(place, offset))
                self.taken[place.topic] += ROWS
                self.at[place] += 1
                self.now += self.cost
        if self.now == began or self.now - self.committed_at > EVERY:
            self.now += 0.2
            self.group |= self.at
            self.committed_at = self.now


def message(place: TopicPartition, offset: int) -> InMessage:
    return InMessage(place.topic, place.partition, offset, None, None, (), KAFKA[place][offset])


def ahead(workers: Sequence[Worker], topic: str) -> int:
    """Rows of a topic that were read and came after the oldest of the other topic that was not."""
    at = {place: offset for worker in workers for place, offset in worker.at.items()}
    unread = [KAFKA[place][at[place]] for place in at if place.topic != topic and at[place] < len(KAFKA[place])]
    oldest = min(unread, default=1_000_000)
    return ROWS * sum(max(0, at[place] - bisect_left(KAFKA[place], oldest)) for place in at if place.topic == topic)


SHARES = {
    "one": [[*P, *L]],
    "two": [[P[0], P[2], L[1]], [P[1], L[0], L[2]]],
    "alike": [[P[0], L[0]], [P[1], L[1]], [P[2], L[2]]],
    "across": [[P[0], L[1]], [P[1], L[2]], [P[2], L[0]]],
    "by topic": [P, L],
    "each one": [[place] for place in [*P, *L]],
}


@pytest.mark.parametrize("costs", [(0.002,), (0.002, 0.01), (0.01, 0.002)])
@pytest.mark.parametrize("share", SHARES)
async def test_no_topic_is_read_further_ahead_than_is_remembered(share: str, costs: Sequence[float]) -> None:
    committed = dict.fromkeys(KAFKA, 0)
    workers = [Worker(own, committed, costs[at % len(costs)]) for at, own in enumerate(SHARES[share])]
    turns = [(0.0, at) for at in range(len(workers))]
    greatest = Counter[str]()
    while any(worker.at[place] < len(KAFKA[place]) for worker in workers for place in worker.own):
        _, at = heapq.heappop(turns)
        await workers[at].poll()
        heapq.heappush(turns, (workers[at].now, at))
        for topic in MOST:
            greatest[topic] = max(greatest[topic], ahead(workers, topic))
    assert greatest[LABELS] <= 100_000
    assert greatest[PREDICTIONS] <= 200_000
    own = max(worker.cost * sum(len(KAFKA[place]) for place in worker.own) for worker in workers)
    assert max(worker.now for worker in workers) <= 2 * own + 30  # they seldom wait for each other
