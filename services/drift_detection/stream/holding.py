"""What a worker holds between two rebalances: its source partitions, its models, and how they are read and stored."""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_sources import LabelSource, LabelSources
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Sources
from services.drift_detection.domain.source.words import home_of
from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.store.labels import read_sources
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.store.sources import read_partitions
from services.drift_detection.store.table import StateTable
from services.drift_detection.stream.cycle import ModelCycle, SourceCycle
from services.drift_detection.stream.intake import BatchIntake, WordIntake
from services.drift_detection.stream.labels import LabelCycle, LabelIntake
from services.drift_detection.stream.voice import Voice
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.kafka.admin import OUTCOMES, PARTIALS, PREDICTIONS
from shared.reference.panes import MICROSECONDS

TOPICS = (PREDICTIONS, OUTCOMES, PARTIALS)


class Taking(Protocol):
    """Takes in a topic's events."""

    async def take(self, event: Any) -> None: ...


class Tables(NamedTuple):
    """One for each of the topics, of as many partitions."""

    sources: StateTable
    outcomes: StateTable
    models: StateTable


class Holding:
    """Empty until `restore`."""

    def __init__(self, bundles: Bundles, voice: Voice, tables: Tables) -> None:
        self.mergings: dict[int, Merging] = {}
        self._bundles = bundles
        self._voice = voice
        self._tables = tables
        self._homes = tables.models.partitions or 0
        self._catalogue: dict[str, Watched] = {}

    async def restore(self, held: Mapping[str, Sequence[int]], generation: int) -> None:
        """Read the state of these partitions of the topics.

        Raises:
            Unreadable: it is damaged.
        """
        tables = self._tables
        for table, topic in zip(tables, TOPICS, strict=True):
            table.keep(held[topic])
        self.mergings = read_mergings(tables.models.entries(), held[PARTIALS], self._merging)
        for merging in self.mergings.values():
            merging.begin(generation)
        sources = Sources(read_partitions(tables.sources.entries(), held[PREDICTIONS]), self._catalogue, self._homes)
        for digest in sorted(sources.digests()):
            await self._load(digest)
        self._connect(sources, LabelSources(read_sources(tables.outcomes.entries(), held[OUTCOMES]), self._homes))

    def _connect(self, sources: Sources, outcomes: LabelSources) -> None:
        """What takes events into this state, and what stores and tells it."""
        tables = self._tables
        self._batches = BatchIntake(sources, self._bundles)
        self._outcomes = LabelIntake(outcomes, self._bundles)
        self._words = WordIntake(self.mergings, self._catalogue, self._bundles)
        self._intakes: Mapping[str, Taking] = {
            PREDICTIONS: self._batches,
            OUTCOMES: self._outcomes,
            PARTIALS: self._words,
        }
        self._held: Mapping[str, Mapping[int, PartitionState | LabelSource | Merging]] = {
            PREDICTIONS: sources.partitions,
            OUTCOMES: outcomes.partitions,
            PARTIALS: self.mergings,
        }
        self._source_cycle = SourceCycle(self._batches, tables.sources, self._voice)
        self._label_cycle = LabelCycle(self._outcomes, tables.outcomes, self._voice)
        self._model_cycle = ModelCycle(self._words, tables.models, self._voice)

    def _merging(self, number: int) -> Merging:
        sources, outcomes = (table.partitions or 0 for table in (self._tables.sources, self._tables.outcomes))
        return Merging(number, sources, self._catalogue, outcomes)

    async def _load(self, digest: str) -> None:
        with contextlib.suppress(Unreadable):  # its parts are told as they are; the models' side says that it waits
            self._catalogue[digest] = await self._bundles.get(digest)

    def offsets(self, topic: str) -> dict[int, int]:
        """Up to where a topic was taken in, by partition."""
        return {number: state.offset for number, state in self._held[topic].items()}

    def offset(self, topic: str, number: int) -> int | None:
        """Up to where one partition of a topic was taken in; None if it is not held."""
        state = self._held[topic].get(number)
        return None if state is None else state.offset

    async def take(self, topic: str, event: Any) -> None:
        """Take in one event of Faust's."""
        await self._intakes[topic].take(event)

    def deployed(self, event: DeploymentChanged) -> None:
        """What serves now; the news of models that are at home elsewhere are not for here."""
        merging = self.mergings.get(home_of(event.model, self._homes))
        if merging is not None:
            merging.deployed(event)

    async def cycle(self, at_end: Callable[[str], Collection[int]], now: float) -> None:
        """Store, release and say what there is. `at_end` gives the partitions of a topic read to their end, `now` is in
        seconds since 1970 UTC.

        Raises:
            KafkaError: the state could not be stored.
        """
        await self._source_cycle.run(at_end(PREDICTIONS), int(now * MICROSECONDS))
        await self._label_cycle.run(at_end(OUTCOMES))
        await self._model_cycle.run()
