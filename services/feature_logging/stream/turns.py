"""When labels are read: not before the predictions that Kafka had by then are logged, by whichever worker.

A label that comes before its prediction waits, and only so many are remembered. After a stop there may be more to read,
of labels much sooner than of predictions, for they are fewer; those that had to go would never meet their prediction.
"""

import time
from collections.abc import Callable, Collection, Mapping

from aiokafka import TopicPartition
from structlog import get_logger

from shared.kafka.admin import PREDICTIONS
from shared.kafka.standing import Standing

log = get_logger()
Offsets = Mapping[TopicPartition, int]
_ASK_SECONDS = 0.5


class Turns:
    """Says which partitions to read. `taken` counts the labels that were taken; after `most` of them, and after each
    new assignment, predictions are read alone until their turn is over, or for `patience` seconds make no progress.
    """

    def __init__(
        self, taken: Callable[[], int], most: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._taken = taken
        self._most = most
        self._patience = patience
        self._clock = clock
        self._counted = 0
        self.begin()

    def begin(self) -> None:
        """It is the turn of predictions, up to where Kafka has them now."""
        self._ends: Offsets = {}
        self._short: Offsets = {}
        self._alone = True
        self._asked = self._moved = self._clock()

    async def turn(self, standing: Standing) -> Collection[TopicPartition] | None:
        """The assigned partitions to read now, None for all; raises KafkaError."""
        if not self._alone and self._taken() - self._counted >= self._most:
            self.begin()
        if self._alone and await self._is_over(standing):
            self._alone, self._counted = False, self._taken()
        return [place for place in standing.assigned if place.topic == PREDICTIONS] if self._alone else None

    async def _is_over(self, standing: Standing) -> bool:
        now = self._clock()
        if self._ends and now - self._asked < _ASK_SECONDS:
            return False
        if not self._ends:  # none, too, before it is known which partitions there are
            self._ends = await standing.ends([place for place in standing.all() if place.topic == PREDICTIONS])
        short = {place: at for place, at in (await standing.read(self._ends)).items() if at < self._ends[place]}
        if short != self._short:
            self._short, self._moved = short, now
        self._asked = now
        if now - self._moved > self._patience:
            log.warning("predictions are not read; labels are, and may wait for them", unread=sorted(short))
            return True
        return bool(self._ends) and not short
