"""How long partitions are waited for."""

import math
from collections.abc import Callable, Mapping

from aiokafka import TopicPartition
from structlog import get_logger

log = get_logger()
_LONG_SECONDS = 20.0  # unless it was looked at them, it is not known that they made no progress


class Patience:
    """Partitions that make no progress for `seconds` are not waited for until they do."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Partitions were assigned: all are waited for."""
        self._looked = -math.inf
        self._since: dict[TopicPartition, tuple[int, float]] = {}
        self._given_up: set[TopicPartition] = set()

    def waited_for(self, short: Mapping[TopicPartition, int]) -> set[TopicPartition]:
        """Those that are waited for of these, each of which has a number that changes when it makes progress."""
        now, known = self._clock(), self._since
        if now - self._looked > _LONG_SECONDS:
            known = {place: known[place] for place in self._given_up}
        self._looked = now
        self._since = {place: (at, now) for place, at in short.items()}
        self._since |= {place: known[place] for place, at in short.items() if place in known and known[place][0] == at}
        given_up = {place for place, (_, since) in self._since.items() if now - since > self._seconds}
        if new := given_up - self._given_up:
            log.warning("these make no progress; not waited for", partitions=sorted(new))
        self._given_up = given_up
        return set(short) - given_up
