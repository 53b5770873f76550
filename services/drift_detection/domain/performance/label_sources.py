"""The side that reads outcomes: labels of a message to sums by window, and those on their way to the models."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.clock import EARLIEST, FUTURE
from services.drift_detection.domain.performance.label_words import LabelEntry, Labelled, LabelWord
from services.drift_detection.domain.performance.outcomes import Mask, Scorer, WindowOutcomes
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.source.words import home_of
from services.drift_detection.domain.watched import Watched
from shared.errors import Unreadable
from shared.outcomes import OutcomeBatch
from shared.reference.panes import microseconds, pane_starts

MOST_WINDOWS = 200  # in one word: it must stay below the broker's limit on a message


class LabelsTaken(NamedTuple):
    """What became of a message's labels: those that `count`, and those kept out as no time they tell can be true, or as
    the reference has no calibration to measure by.
    """

    counted: int
    out_of_time: int
    not_assessed: int


@dataclass
class LabelSource:
    """One partition of the outcomes: read up to `offset`, and told up to `told`. `entries` are still to be told;
    `said` is what each home was told last of being at its end.
    """

    number: int
    offset: int = -1
    told: int = -1
    entries: list[LabelEntry] = field(default_factory=list)
    said: dict[int, bool] = field(default_factory=dict)


class LabelSources:
    """The partitions held here. Nothing is kept but how far they were told: `homes` is how many partitions the words
    are spread over, by model.
    """

    def __init__(self, offsets: Mapping[int, int], homes: int) -> None:
        """`offsets` by partition: up to where it was told."""
        self.partitions = {number: LabelSource(number, offset, offset) for number, offset in offsets.items()}
        self._homes = homes

    def take(self, place: Place, batch: OutcomeBatch, watched: Watched) -> LabelsTaken | None:
        """Take in a message; None if it was taken before.

        Raises:
            Unreadable: the batch does not fit its bundle.
        """
        source = self.partitions[place.partition]
        if place.offset <= source.offset:
            return None
        _check(batch, watched)
        source.offset = place.offset
        if watched.reference.calibration is None:
            return LabelsTaken(0, 0, len(batch))
        entry, counted = _entry(place, batch, watched)
        source.entries.append(entry)
        return LabelsTaken(counted, len(batch) - counted, 0)

    def skip(self, place: Place) -> None:
        """Note a message that can't be read."""
        source = self.partitions[place.partition]
        source.offset = max(source.offset, place.offset)

    def words(self, at_end: Collection[int]) -> list[tuple[int, LabelWord]]:
        """What is to be told, each with the partition it goes to; from then on it counts as told."""
        words = [
            (home, word)
            for number, source in self.partitions.items()
            for home in range(self._homes)
            for word in self._words(source, home, at_end=number in at_end)
        ]
        for source in self.partitions.values():
            source.told = source.offset
            source.entries.clear()
        return words

    def _words(self, source: LabelSource, home: int, *, at_end: bool) -> list[LabelWord]:
        if source.offset == source.told and source.said.get(home) == at_end:
            return []
        source.said[home] = at_end
        words, after = [], source.told
        mine = [entry for entry in source.entries if home_of(entry.model, self._homes) == home]
        for part in _portions(mine):
            words.append(LabelWord(source.number, after, part[-1].offset, at_end=False, entries=tuple(part)))
            after = part[-1].offset
        return [*words, LabelWord(source.number, after, source.offset, at_end)]


def _portions(entries: Collection[LabelEntry]) -> list[list[LabelEntry]]:
    """In order, of at most so many windows each; one entry is never split."""
    portions: list[list[LabelEntry]] = []
    windows = 0
    for entry in entries:
        windows += len(entry.windows)
        if not portions or windows > MOST_WINDOWS:
            portions.append([])
            windows = len(entry.windows)
        portions[-1].append(entry)
    return portions


def _entry(place: Place, batch: OutcomeBatch, watched: Watched) -> tuple[LabelEntry, int]:
    calibration = watched.reference.calibration
    assert calibration is not None  # noqa: S101  # looked at before
    scorer = Scorer(watched.reference, calibration)
    predicted, labelled = microseconds(batch.event_time), microseconds(batch.label_time)
    counts = (predicted >= EARLIEST) & (np.maximum(predicted, labelled) <= place.appended + FUTURE)
    starts = pane_starts(predicted, watched.definition.monitoring.pane_seconds)
    windows = []
    for start in np.unique(starts[counts]).tolist():
        outcomes, chosen = WindowOutcomes(), counts & (starts == start)
        scorer.add(outcomes, batch, chosen)
        windows.append(Labelled(start, outcomes, _highest(batch, chosen)))
    meta = batch.meta
    latest = int(labelled[counts].max()) if counts.any() else None
    whose = (meta.model, meta.digest, meta.role, meta.producer, meta.sequence)
    return LabelEntry(place.offset, *whose, latest, tuple(windows)), int(counts.sum())


def _highest(batch: OutcomeBatch, chosen: Mask) -> dict[int, int]:
    """The highest offset of the chosen rows, bool [n], by partition of the predictions."""
    partitions, offsets = batch.source_partition[chosen], batch.source_offset[chosen]
    return {number: int(offsets[partitions == number].max()) for number in np.unique(partitions).tolist()}


def _check(batch: OutcomeBatch, watched: Watched) -> None:
    if batch.meta.model != watched.model:
        raise Unreadable(f"outcome batch: bundle {watched.digest} is of model {watched.model}")
    found, expected = batch.scores.shape[1], len(watched.reference.scores)
    if found != expected:
        raise Unreadable(f"outcome batch: scores have {found} columns, expected {expected}")
