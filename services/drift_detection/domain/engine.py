"""All state of the service: partitions that take in messages, watches over the models that speak for them."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from services.drift_detection.domain.clock import watermark
from services.drift_detection.domain.partition import PartitionState, Source, Tally, WindowKey
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import merge
from shared.batch import PredictionBatch
from shared.events import DeploymentChanged


class Place(NamedTuple):
    """Where a message stood, and when the broker appended it, in microseconds since 1970 UTC."""

    partition: int
    offset: int
    appended: int


class Engine:
    """State of all source partitions and models. `catalogue` holds each bundle by its digest, for all its windows."""

    def __init__(self, partitions: Mapping[int, PartitionState], watches: Mapping[str, ModelWatch]) -> None:
        self.partitions = dict(partitions)
        self.watches = dict(watches)
        self.catalogue: dict[str, Watched] = {}
        # Windows with rows that were not looked at yet. After a restart that is all of them.
        self._fresh = {key for partition in self.partitions.values() for key in partition.partials}

    def take(self, place: Place, batch: PredictionBatch, watched: Watched) -> Tally | None:
        """Take in a message and say what became of its rows; None if it was applied before.

        Raises:
            Unreadable: the batch does not fit its bundle.
        """
        partition = self.partitions[place.partition]
        if place.offset <= partition.offset:
            return None
        self.catalogue[watched.digest] = watched
        self.watch(watched.model)
        tally = partition.take(place.offset, batch, watched, place.appended)
        self._fresh |= partition.touched
        return tally

    def skip(self, place: Place) -> None:
        """Note a message that can't be read."""
        partition = self.partitions[place.partition]
        partition.offset = max(partition.offset, place.offset)

    def watch(self, model: str) -> ModelWatch:
        """The watch over a model; a new one if there is none."""
        if model not in self.watches:
            self.watches[model] = ModelWatch(ModelRecord(model=model))
        return self.watches[model]

    def deployed(self, event: DeploymentChanged) -> None:
        """What governance says that serves."""
        self.watch(event.model).deployed(event)

    def digests(self) -> set[str]:
        """The bundles whose windows are under way."""
        return {key.digest for partition in self.partitions.values() for key in partition.partials}

    def advance(self, at_end: Collection[int], most: int) -> bool:
        """Publish and revise the windows whose time has come, at most so many a model; True if there are more.

        `at_end` are the partitions read to their end.
        """
        left = [self._advance(watch, at_end, most) for watch in self.watches.values()]
        return any(left)

    def _advance(self, watch: ModelWatch, at_end: Collection[int], most: int) -> bool:
        clocks = {number: state.clocks.get(watch.model) for number, state in self.partitions.items()}
        watch.move_watermark(watermark(clocks, at_end))
        due = sorted(self._due(watch))
        for key in due[:most]:
            self._fresh.discard(key)
            parts = (state.partials[key] for state in self.partitions.values() if key in state.partials)
            window = merge(key, parts, self.catalogue[key.digest])
            if window.sketch.rows:
                watch.publish(window)
        watch.judge(due[most].start if len(due) > most else None)
        return len(due) > most

    def _keys(self, model: str) -> set[WindowKey]:
        keys = {key for state in self.partitions.values() for key in state.partials}
        return {key for key in keys if key.digest in self.catalogue and self.catalogue[key.digest].model == model}

    def _due(self, watch: ModelWatch) -> list[WindowKey]:
        now = watch.watermark
        if now is None:
            return []
        closed = (key for key in self._keys(watch.model) if key.start + self.catalogue[key.digest].pane <= now)
        return [key for key in closed if key in self._fresh]

    def finish(self) -> set[WindowKey]:
        """Let go of the windows that no row can change any more, and say which they were.

        To be called only when `advance` left nothing. A row is too late by the clock of its own partition, so the
        slowest partition decides, even one that is idle.
        """
        over: set[WindowKey] = set()
        for watch in self.watches.values():
            clocks = [state.clocks.get(watch.model) for state in self.partitions.values()]
            known = [clock for clock in clocks if clock is not None]
            if len(known) == len(clocks):
                over |= self._finish(watch, min(known))
        return over

    def _finish(self, watch: ModelWatch, slowest: int) -> set[WindowKey]:
        over = set()
        for key in self._keys(watch.model) - self._fresh:
            watched = self.catalogue[key.digest]
            if key.start + watched.pane <= slowest - watched.lateness:
                over.add(key)
        watch.finish(over)
        for state in self.partitions.values():
            for key in over:
                state.partials.pop(key, None)
        return over

    def tallies(self) -> dict[Source, Tally]:
        """Rows read, over all partitions."""
        total: dict[Source, Tally] = {}
        for state in self.partitions.values():
            for source, tally in state.tallies.items():
                total[source] = total.get(source, Tally()) + tally
        return total

    def drop_final(self) -> None:
        """After a restart: drop partials that were to be forgotten but were not."""
        for state in self.partitions.values():
            for key in [key for key in state.partials if key.digest in self.catalogue]:
                if self.watch(self.catalogue[key.digest].model).is_final(key):
                    del state.partials[key]
                    self._fresh.discard(key)
