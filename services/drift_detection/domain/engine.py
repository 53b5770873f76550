"""Both sides in one process, with nothing between: what a replay runs, which has all messages at hand."""

from collections.abc import Collection, Mapping

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Source, Tally
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.events import DeploymentChanged

_MOST = 1_000  # windows at once
__all__ = ["Engine", "Place"]


class Engine:
    """All partitions of a source, numbered from 0, and all models. `catalogue` holds each bundle by its digest."""

    def __init__(self, partitions: Mapping[int, PartitionState], watches: Mapping[str, ModelWatch]) -> None:
        self.catalogue: dict[str, Watched] = {}
        self._sources = Sources(partitions, self.catalogue, homes=1)
        self._merging = Merging(0, len(partitions), self.catalogue)
        self._merging.watches.update(watches)

    @property
    def partitions(self) -> dict[int, PartitionState]:
        """By number."""
        return self._sources.partitions

    @property
    def watches(self) -> dict[str, ModelWatch]:
        """By model."""
        return self._merging.watches

    def take(self, place: Place, batch: PredictionBatch, watched: Watched) -> Tally | None:
        """Take in a message and say what became of its rows; None if it was applied before.

        Raises:
            Misfit: the batch does not fit its bundle.
        """
        taken = self._sources.take(place, batch, watched)
        return None if taken is None else taken.tally

    def refuse(self, place: Place, refused: Misfit) -> None:
        """Note a message that does not fit."""
        self._sources.refuse(place, refused)

    def know(self, watched: Watched) -> None:
        """Keep a bundle at hand, whose failures may be told before it answers."""
        self._sources.know(watched)

    def watch(self, model: str) -> ModelWatch:
        """The watch over a model; a new one if there is none."""
        return self._merging.watch(model)

    def deployed(self, event: DeploymentChanged) -> None:
        """What governance says that serves."""
        self._merging.deployed(event)

    def advance(self, at_end: Collection[int], most: int, now: int = 0) -> bool:
        """Publish and revise the windows whose time has come, at most so many a model; True if there are more.

        `at_end` are the partitions read to their end, `now` is the time in microseconds since 1970 UTC if it is known.
        """
        for _, word in self._sources.words(at_end, now):
            self._merging.take(word)
        return self._merging.advance(most)

    def finish(self, *, rest: bool = True) -> None:
        """Let go of what no row can change any more. To be called only when `advance` left nothing.

        Without `rest` nothing ends as partitions brought no rows for days, but by their own clocks alone.
        """
        for state in self.partitions.values():
            state.changed.clear()  # nothing is stored here
        self._sources.finish()
        while self._merging.finish(_MOST, rest=rest).parts:
            pass

    def tallies(self) -> dict[Source, Tally]:
        """Rows read, over all partitions."""
        return self._merging.tallies()
