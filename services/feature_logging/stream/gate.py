"""Whether the other workers have come as far with the other topic."""

import asyncio
import math
from collections.abc import Callable, Collection

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.feature_logging.stream.patience import Patience
from shared.kafka.standing import Standing

_ASK_SECONDS = 0.5
_ANSWER_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 10.0  # after there was no answer


class Gate:
    """Shut when too many rows were taken since the others had last come as far, but for `slack_ms`, with topic `other`:
    of one worker `most`, of several twice that together. They are asked at half of it, so that it is seldom shut.
    Partitions that make no progress for `patience` seconds are not waited for.
    """

    def __init__(self, other: str, most: int, slack_ms: int, patience: float, clock: Callable[[], float]) -> None:
        self._other = other
        self._most = max(1, most)
        self._slack_ms = slack_ms
        self._patience = Patience(patience, clock)
        self._clock = clock
        self.begin(0)

    def begin(self, taken: int) -> None:
        """Partitions were assigned, after so many rows: with the next one the others are asked."""
        self._counted = taken + 1 - self._most
        self._begun = object()
        self._short: dict[TopicPartition, int] = {}
        self._patience.begin()
        self._pass()

    async def is_open(self, standing: Standing, taken: int, until: float | None) -> bool:
        """Whether more rows may be taken than these; `until`, in ms since 1970, all are; None if none are."""
        most = self._share(standing)
        if until is None or taken - self._counted < most / 2:
            return True
        begun = self._begun
        met = await self._is_met(standing, int(until) - self._slack_ms)
        if begun is not self._begun:
            return False
        if met:
            self._counted = taken
            self._pass()
        return met or taken - self._counted < most

    def _share(self, standing: Standing) -> int:
        """How many rows it is for this worker, by its partitions."""
        own, of = (
            len([place for place in each if place.topic != self._other]) for each in (standing.assigned, standing.all())
        )
        return max(1, min(self._most, 2 * self._most * own // max(1, of)))

    def _pass(self) -> None:
        self._goals: dict[TopicPartition, int] = {}
        self._ask_at = -math.inf

    async def _is_met(self, standing: Standing, until: int) -> bool:
        """Whether the others have logged all that came until then."""
        now = self._clock()
        if now < self._ask_at:
            return False
        self._ask_at = now + _ASK_SECONDS
        places = {place for place in standing.all() if place.topic == self._other}
        if not places:  # it is not known yet which there are
            return False
        self._short = await self._asked(standing, places.difference(standing.assigned), until)
        return not self._patience.waited_for(self._short)

    async def _asked(
        self, standing: Standing, places: Collection[TopicPartition], until: int
    ) -> dict[TopicPartition, int]:
        """The next offsets of those that are short of it; all are, and as they were, if there is no answer."""
        if not places:
            return {}
        begun = self._begun
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                goals, done = await asyncio.gather(standing.until(places, until), standing.done(places))
        except (KafkaError, TimeoutError):
            self._ask_at += _ASK_AGAIN_SECONDS
            return {place: self._short.get(place, -1) for place in places}
        if begun is not self._begun:  # partitions were assigned meanwhile: these goals are of no use to them
            return {}
        # What came since is not waited for, nor what is not as late as was thought.
        self._goals = {place: min(goal, self._goals.get(place, goal)) for place, goal in goals.items()}
        return {place: at for place, at in done.items() if at < self._goals[place]}
