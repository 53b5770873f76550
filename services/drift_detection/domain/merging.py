"""The side of the models: the parts of all source partitions meet, and windows close, are revised and end."""

from collections.abc import Mapping
from typing import NamedTuple

from services.drift_detection.domain.clock import watermark
from services.drift_detection.domain.ending import ends_by, reaches, take_over
from services.drift_detection.domain.known_rows import KnownRows
from services.drift_detection.domain.panes import Panes
from services.drift_detection.domain.performance.meeting import Labels
from services.drift_detection.domain.reports.data import Arrivals
from services.drift_detection.domain.resting import slowest_clock
from services.drift_detection.domain.scales import Fold, ScaleKey, Scales
from services.drift_detection.domain.source.beside import Beside
from services.drift_detection.domain.source.parts import Partial, Source, Tally, WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord, Word
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, merge
from shared.errors import Unreadable
from shared.events import DeploymentChanged
from shared.reference.segments import ALL

Parts = dict[int, Partial]
_EPOCH = 32  # bits of a record's version that count its writings


class Ended(NamedTuple):
    """What was let go of: parts of panes, by their source partition, and coarser windows."""

    parts: list[tuple[WindowKey, int]]
    scales: list[ScaleKey]


class Merging:
    """One partition of the words: all models that are at home in it. State up to `offset` of it (-1: nothing).

    `heads` hold the last word of each source partition, `parts` those of each window under way; `changed` are what was
    not stored yet. Words of each of the source's partitions come here, whoever holds it. `scales` are the windows
    coarser than panes, by model. `labels` are what so many partitions of the `outcomes` told.
    """

    def __init__(self, number: int, sources: int, catalogue: Mapping[str, Watched], outcomes: int = 0) -> None:
        self.number = number
        self.offset = -1
        self.heads = {source: HeadWord(source) for source in range(sources)}
        self.parts: dict[WindowKey, Parts] = {}
        self.changed: set[tuple[WindowKey, int]] = set()
        self.watches: dict[str, ModelWatch] = {}
        self.models: dict[str, str] = {}  # by bundle digest
        self.scales: dict[str, Scales] = {}
        self.labels = Labels(outcomes, catalogue, self.watch)
        self._catalogue = catalogue
        self._panes: dict[str, Panes] = {}

    def take(self, word: Word) -> None:
        """Take in a word; one that is older than what is known changes nothing.

        Raises:
            Unreadable: it is of no window of its bundle; nothing has changed then.
        """
        if isinstance(word, PartWord):
            watched = self._catalogue.get(word.key.digest)
            if watched is not None and not word.fits(watched):
                raise Unreadable(f"word: bundle {watched.digest} has no such window")
            self.put(word)
            if watched is not None:
                self.watch(word.model).missed(word, watched, self.heads[word.partition])
        elif word.offset >= self.heads[word.partition].offset:
            self.heads[word.partition] = word
            for model in word.clocks:
                self.watch(model)

    def put(self, word: PartWord) -> bool:
        """Whether the part is news."""
        if self.watch(word.model).is_final(word.key):
            return False
        new = word.key not in self.parts
        parts = self.parts.setdefault(word.key, {})
        known = parts.get(word.partition)
        if known is not None and known.offset >= word.part.offset:
            return False
        parts[word.partition] = word.part
        self.models[word.key.digest] = word.model
        self.changed.add((word.key, word.partition))
        self._panes.setdefault(word.model, Panes()).add(word.key, new=new)
        return True

    def restore(self, word: PartWord) -> None:
        """Take in a part that was stored. One of a window that is final already was to be forgotten."""
        if not self.put(word):
            if word.key not in self.parts:
                self._panes.setdefault(word.model, Panes()).put_back([word.key])
            self.parts.setdefault(word.key, {})[word.partition] = word.part
            self.models[word.key.digest] = word.model
        self.changed.clear()

    def restore_fold(self, model: str, key: ScaleKey, fold: Fold) -> None:
        """Take in what was stored of a coarser window."""
        self.models[key.window.digest] = model
        self.scales_of(model).folds[key] = fold

    def begin(self, generation: int) -> None:
        """After a restart: what is stored from now on has a higher version than whatever a process could still write
        that held these models before, in a lower generation of the group.
        """
        for watch in self.watches.values():
            record = watch.record
            record.version = max((record.version >> _EPOCH) + 1, generation) << _EPOCH

    def watch(self, model: str) -> ModelWatch:
        """The watch over a model; a new one if there is none."""
        if model not in self.watches:
            self.watches[model] = ModelWatch(ModelRecord(model=model))
        return self.watches[model]

    def scales_of(self, model: str) -> Scales:
        """The coarser windows of a model."""
        if model not in self.scales:
            self.scales[model] = Scales(self.watch(model), self.parts, self._catalogue)
        return self.scales[model]

    def deployed(self, event: DeploymentChanged) -> None:
        """What governance says that serves."""
        self.watch(event.model).deployed(event)

    def missing(self) -> set[str]:
        """Bundles whose windows are under way, but wait for them."""
        unknown = self.models.keys() - self._catalogue.keys()
        waiting = {key.digest for key in self.parts if key.digest in unknown} if unknown else set[str]()
        waiting.update(*(watch.labels.missing() for watch in self.watches.values()))
        waiting.update(watch.listened for watch in self.watches.values() if watch.listened)
        return waiting - self._catalogue.keys()

    def advance(self, most: int) -> bool:
        """Publish and revise the windows whose time has come, at most so many a model; True if there are more."""
        appended = self._appended()
        left = [self._step(watch, appended.get(model), most) for model, watch in self._watches()]
        return any(left)

    def _step(self, watch: ModelWatch, appended: int | None, most: int) -> bool:
        # What labels say of a window needs its rows: all windows that are due come first.
        rows = KnownRows(watch, self.heads, self.parts)
        return self._advance(watch, appended, most) or self.labels.advance(watch.model, most, rows)

    def _appended(self) -> dict[str, int]:
        """When the last message of each model was logged."""
        found: dict[str, int] = {}
        for head in self.heads.values():
            for source, tally in head.tallies.items():
                found[source.model] = max(tally.appended, found.get(source.model, 0))
        return found

    def _watches(self) -> list[tuple[str, ModelWatch]]:
        return sorted(self.watches.items())

    def _clocks(self, model: str) -> dict[int, int | None]:
        return {number: head.clocks.get(model) for number, head in self.heads.items()}

    def _advance(self, watch: ModelWatch, appended: int | None, most: int) -> bool:
        panes = self._panes.setdefault(watch.model, Panes())
        at_end = {number for number, head in self.heads.items() if head.at_end}
        watch.move_watermark(watermark(self._clocks(watch.model), at_end))
        scales = self.scales_of(watch.model)
        due = sorted(key for key in panes.fresh if ends_by(key, watch.watermark, self._catalogue))
        for key in due[:most]:
            panes.fresh.discard(key)
            window = merge(key, self.parts[key].values(), self._catalogue[key.digest])
            if window.sketch.rows:
                watch.publish(window)
            if key.segment == ALL:
                self._note(watch, panes, window)
            scales.touch(key)
        before = min((key.start for key in panes.fresh if ends_by(key, watch.watermark, self._catalogue)), default=None)
        unjudged = watch.judge(before, most)  # a late row changes the verdict on all panes since
        watch.compare(before)
        if before is None:
            self._listen(watch, panes, appended)
        return scales.advance(most - len(due[:most])) or before is not None or unjudged

    def _note(self, watch: ModelWatch, panes: Panes, window: Merged) -> None:
        beside = Beside.empty(window.watched)
        for part in self.parts[window.key].values():
            if part.beside is not None:
                beside.merge(part.beside)
        again = watch.note(window, beside)
        if again is not None and (following := window.key._replace(start=again)) in self.parts:
            panes.fresh.add(following)

    def _listen(self, watch: ModelWatch, panes: Panes, appended: int | None) -> None:
        highest = [clock for clock in self._clocks(watch.model).values() if clock is not None]
        newest = max(head.newest for head in self.heads.values())
        if appended is not None and highest and watch.watermark is not None:
            told = Arrivals(max(highest), appended, newest, watch.watermark, panes.last("champion"))
            watch.listen(self._catalogue, told)

    def finish(self, most: int, *, rest: bool = True) -> Ended:
        """Once `advance` left nothing: let go of the windows that no row can change, at most so many a model. Without
        `rest` only those that all partitions' own clocks have passed.
        """
        over = Ended([], [])
        reach = reaches(self.models, self._catalogue)
        for model, watch in self._watches():
            if (slowest := slowest_clock(self.heads.values(), model, rest=rest)) is not None:
                self._finish(watch, slowest, reach.get(model, 0), most, over)
        return over

    def _finish(self, watch: ModelWatch, slowest: int, reach: int, most: int, over: Ended) -> None:
        scales = self.scales_of(watch.model)
        watch.fold(slowest)
        panes = self._panes.setdefault(watch.model, Panes())
        ended = take_over(panes, slowest, reach, most, self._catalogue)
        if ended:
            scales.finish(ended)
            watch.resting.keep(ended, self.parts, self.heads, self._catalogue)
            watch.finish(key for key in ended if not watch.is_final(key))
            over.parts.extend((key, source) for key in ended for source in self.parts.pop(key))
        if len(ended) < most:
            over.scales.extend(scales.settle(slowest))

    def tallies(self) -> dict[Source, Tally]:
        """Rows read, over all source partitions."""
        total: dict[Source, Tally] = {}
        for head in self.heads.values():
            for source, tally in head.tallies.items():
                total[source] = total.get(source, Tally()) + tally
        return total
