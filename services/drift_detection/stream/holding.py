"""What a worker holds between two rebalances: its source partitions, its models, and how they are read and stored."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.sources import Sources
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.words import home_of
from services.drift_detection.models import Bundles
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.store.sources import read_partitions
from services.drift_detection.store.table import StateTable
from services.drift_detection.stream.cycle import ModelCycle, SourceCycle, Voice
from services.drift_detection.stream.intake import BatchIntake, WordIntake
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.kafka.admin import PREDICTIONS


class Holding:
    """Empty until `restore`."""

    def __init__(self, bundles: Bundles, voice: Voice, sources: StateTable, models: StateTable) -> None:
        self.mergings: dict[int, Merging] = {}
        self._bundles = bundles
        self._voice = voice
        self._tables = sources, models
        self._homes = models.partitions or 0
        self._catalogue: dict[str, Watched] = {}

    async def restore(self, sources: Sequence[int], homes: Sequence[int], generation: int) -> None:
        """Read the state of these partitions of the predictions, and of these of the partials.

        Raises:
            Unreadable: it is damaged.
        """
        first, second = self._tables
        first.keep(sources)
        second.keep(homes)
        partitions = read_partitions(first.entries(), sources)
        self.mergings = read_mergings(
            second.entries(), homes, lambda number: Merging(number, first.partitions or 0, self._catalogue)
        )
        for merging in self.mergings.values():
            merging.begin(generation)
        held = Sources(partitions, self._catalogue, self._homes)
        for digest in sorted(held.digests()):
            await self._load(digest)
        self._batches = BatchIntake(held, self._bundles)
        self._words = WordIntake(self.mergings, self._catalogue, self._bundles)
        self._source_cycle = SourceCycle(self._batches, first, self._voice)
        self._model_cycle = ModelCycle(self._words, second, self._voice)

    async def _load(self, digest: str) -> None:
        with contextlib.suppress(Unreadable):  # its parts are told as they are; the models' side says that it waits
            self._catalogue[digest] = await self._bundles.get(digest)

    @property
    def watches(self) -> dict[str, ModelWatch]:
        """The models that are at home here."""
        return {model: watch for merging in self.mergings.values() for model, watch in merging.watches.items()}

    def offsets(self, topic: str) -> dict[int, int]:
        """Up to where a topic was taken in, by partition."""
        held = self._batches.sources.partitions if topic == PREDICTIONS else self.mergings
        return {number: state.offset for number, state in held.items()}

    async def take(self, topic: str, event: Any) -> None:
        """Take in one event of Faust's."""
        await (self._batches if topic == PREDICTIONS else self._words).take(event)

    def deployed(self, event: DeploymentChanged) -> None:
        """What serves now; the news of models that are at home elsewhere are not for here."""
        merging = self.mergings.get(home_of(event.model, self._homes))
        if merging is not None:
            merging.deployed(event)

    async def cycle(self, at_end: Callable[["Holding"], Collection[int]]) -> None:
        """Store, release and say what there is. `at_end` gives the source partitions read to their end.

        Raises:
            KafkaError: the state could not be stored.
        """
        await self._source_cycle.run(at_end(self))
        await self._model_cycle.run()
