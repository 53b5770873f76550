"""Where the labels of all partitions of the outcomes meet: one partition of the words, all models at home in it."""

from collections.abc import Callable, Mapping
from typing import Protocol

from services.drift_detection.domain.clock import watermark
from services.drift_detection.domain.performance.book import PerformanceBook
from services.drift_detection.domain.performance.label_window import Rows
from services.drift_detection.domain.performance.label_words import LabelEntry, LabelHead, LabelWord, Stream
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.watched import Watched

MOST_STREAMS = 1_000  # of one partition whose last sequence is remembered


class Measuring(Protocol):
    """The watch over one model."""

    @property
    def labels(self) -> PerformanceBook: ...
    def measure(self, time: int | None, most: int, rows: Rows) -> bool: ...


class Labels:
    """`heads` hold how far each partition of the outcomes, of so many, was taken in. `repeats` and `too_late` count
    messages, and labels of windows that take no more, since the start.
    """

    def __init__(self, sources: int, catalogue: Mapping[str, Watched], watch: Callable[[str], Measuring]) -> None:
        self.heads = {source: LabelHead() for source in range(sources)}
        self.repeats = 0
        self.too_late = 0
        self._catalogue = catalogue
        self._watch = watch

    def take(self, word: LabelWord) -> None:
        """Take in what is news of a word; nothing of one that does not follow on what was taken in."""
        head = self.heads[word.partition]
        if word.after > head.taken or word.until < head.taken:
            return
        for entry in word.entries:
            if entry.offset > head.taken:
                self._take(word.partition, head, entry)
        head.taken, head.at_end = word.until, word.at_end

    def _take(self, source: int, head: LabelHead, entry: LabelEntry) -> None:
        stream = Stream(entry.producer, entry.digest, entry.role)
        before = head.sequences.pop(stream, -1)
        head.sequences[stream] = max(before, entry.sequence)
        for forgotten in list(head.sequences)[:-MOST_STREAMS]:
            del head.sequences[forgotten]
        if entry.sequence <= before:
            self.repeats += 1
            return
        book = self._watch(entry.model).labels
        if entry.digest in self._catalogue:
            book.know(self._catalogue[entry.digest])
        for labelled in entry.windows:
            key, outcomes = WindowKey(labelled.start, entry.digest, entry.role), labelled.outcomes
            if not book.take(key, (source, entry.offset), labelled):
                self.too_late += sum(one.rows for one in (*outcomes.labels.values(), *outcomes.business.values()))
        if entry.latest is not None:
            head.clocks[entry.model] = max(entry.latest, head.clocks.get(entry.model, entry.latest))

    def advance(self, model: str, most: int, rows: Rows) -> bool:
        """Move the clock of a model's labels; True if there is more to be said. `rows` are the model's."""
        watch = self._watch(model)
        for digest in watch.labels.missing() & self._catalogue.keys():
            watch.labels.know(self._catalogue[digest])
        at_end = {number for number, head in self.heads.items() if head.at_end}
        time = watermark({number: head.clocks.get(model) for number, head in self.heads.items()}, at_end)
        return watch.measure(time, most, rows)
