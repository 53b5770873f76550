"""The side of the partitions: the source partitions that a worker holds take in messages."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Taken, WindowKey
from services.drift_detection.domain.source.words import Telling, Word
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch


class Place(NamedTuple):
    """Where a message stood, and when the broker appended it, in microseconds since 1970 UTC."""

    partition: int
    offset: int
    appended: int


class Sources:
    """State of the source partitions held here. `catalogue` gives bundles by digest, `homes` is how many partitions
    the words are spread over, by model.
    """

    def __init__(self, partitions: Mapping[int, PartitionState], catalogue: dict[str, Watched], homes: int) -> None:
        self.partitions = dict(partitions)
        self._catalogue = catalogue
        self._telling = Telling(catalogue, homes)

    def take(self, place: Place, batch: PredictionBatch, watched: Watched) -> Taken | None:
        """Take in a message and say what became of its rows; None if it was applied before.

        The bundles of versions whose failures it tells must be known.

        Raises:
            Misfit: the batch does not fit its bundle.
        """
        partition = self.partitions[place.partition]
        if place.offset <= partition.offset:
            return None
        self.know(watched)
        return partition.take(place.offset, batch, watched, place.appended, self._catalogue)

    def know(self, watched: Watched) -> None:
        """Keep a bundle at hand."""
        self._catalogue[watched.digest] = watched

    def refuse(self, place: Place, refused: Misfit) -> None:
        """Note a message that does not fit its bundle."""
        partition = self.partitions[place.partition]
        if place.offset > partition.offset:
            partition.refuse(place.offset, refused, place.appended)

    def skip(self, place: Place) -> None:
        """Note a message that can't be read."""
        partition = self.partitions[place.partition]
        partition.offset = max(partition.offset, place.offset)

    def digests(self) -> set[str]:
        """The bundles whose windows are under way."""
        return {key.digest for partition in self.partitions.values() for key in partition.partials}

    def words(self, at_end: Collection[int], now: int = 0) -> list[tuple[int, Word]]:
        """What is to be told, each with the partition of its model. `at_end` are the partitions read to their end,
        `now` is the time in microseconds since 1970 UTC if it is known.
        """
        found = [
            self._telling.words(state, at_end=number in at_end, now=now) for number, state in self.partitions.items()
        ]
        return [word for words in found for word in words]

    def finish(self) -> list[tuple[int, WindowKey]]:
        """Let go of the parts that were stored and told and that no row can change any more; which they were."""
        over = [(state.number, key) for state in self.partitions.values() for key in state.over(self._catalogue)]
        for number, key in over:
            del self.partitions[number].partials[key]
        return over
