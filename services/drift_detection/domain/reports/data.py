"""The data of one model's champions, as their windows close: reports, and silences as time moves on."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.quality.record import QualityRecord
from services.drift_detection.domain.reports.book import QualityBook, Said
from services.drift_detection.domain.reports.silence import quiet_until
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged
from shared.events import DataQualityReported


class Arrivals(NamedTuple):
    """What the log tells of time: the model's highest event time `last_row`, the LogAppendTime of its last message
    (`appended`) and of the last of any model (`newest`), and how far all its windows are `closed`; microseconds.
    `under_way` are by bundle the starts of the champions' last windows that are not.
    """

    last_row: int
    appended: int
    newest: int
    closed: int
    under_way: Mapping[str, int]


class QualityWatch:
    """`records` by bundle digest are changed in place. Deployments say who serves."""

    def __init__(self, records: dict[str, QualityRecord]) -> None:
        self._records = records
        self._books: dict[str, QualityBook] = {}
        self._champion: str | None = None
        self._share = 1.0

    def serves(self, champion: str | None, share: float) -> None:
        """Which champion serves, and how much of all rows it answers."""
        self._champion, self._share = champion, share

    def _book(self, watched: Watched) -> QualityBook:
        if watched.digest not in self._books:
            record = self._records.setdefault(watched.digest, QualityRecord())
            self._books[watched.digest] = QualityBook(watched.digest, watched, record)
        return self._books[watched.digest]

    def note(self, window: Merged, facts: Facts) -> Said:
        """What there is to say of a champion's window."""
        return self._book(window.watched).publish(window, facts, self._share)

    def listen(self, catalogue: Mapping[str, Watched], told: Arrivals) -> list[DataQualityReported]:
        """Whether the champion is silent, by the model's other rows or by the log."""
        for digest, record in self._records.items():
            if digest != (self._champion or digest):
                record.interrupt()
        watched = catalogue.get(self._champion or self._latest() or "")
        if watched is None or watched.digest not in self._records:
            return []
        book = self._book(watched)
        quiet = quiet_until(told.last_row, told.appended, told.newest, book.patience)
        return book.silent(max(quiet, told.closed), self._share, told.under_way.get(watched.digest))

    def _latest(self) -> str | None:
        """Of no known champion, whose windows are the last."""
        return max(self._records, key=lambda digest: self._records[digest].last, default=None)

    def finish(self, ends: Mapping[str, int]) -> None:
        """Windows that start before this, by digest, can't change any more."""
        for digest, end in ends.items():
            if digest in self._books:
                self._books[digest].finish(end)

    def forget(self, digests: Iterable[str]) -> None:
        """Bundles that serve no more."""
        for digest in digests:
            self._records.pop(digest, None)
            self._books.pop(digest, None)
