"""Which days of which tables are old enough to go."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from deltalake.exceptions import DeltaError
from prometheus_client import Counter
from structlog import get_logger

from services.feature_logging.store.compaction import checkpoint, compact
from services.feature_logging.store.place import Place
from services.feature_logging.store.restating import Book
from services.feature_logging.store.table import Fenced, LogTable
from services.feature_logging.store.upkeep.retiring import days_of, retire
from shared.feature_log.proof.restated import restated_path
from shared.feature_log.reading import live_paths, models_in, open_table
from shared.feature_log.retired import retired_path

log = get_logger()
ROWS = Counter("driftline_feature_log_retired_rows_total", "Rows taken out since their day is over", ["table"])
FILES = Counter("driftline_feature_log_retired_files_total", "Files that were live for such rows alone", ["table"])
# Predictions first: by a label that comes again they would make a pair again that is gone.
_KINDS = ("predictions", "outcomes", "labels", "business")
# Pairs are published after they were committed, and after a crash once more.
_PUBLISHED = 3_600.0  # seconds
MOST_FILES = 50


def _now() -> datetime:
    return datetime.now(UTC)


def _tidy(path: Path) -> None:
    """Records are few in a file: compact those of a table when there are many files."""
    found = open_table(path)
    if found is not None and len(live_paths(found)) >= MOST_FILES:
        table = LogTable(Place.of(path, found))
        compact(table)
        checkpoint(table)


class Retention:
    """Of each model's tables with rows from Kafka, whole days (UTC, of the event time) go that lie more than
    `keep_days` before today. What is history, or the log's own, stays.
    """

    def __init__(self, book: Book, keep_days: int, now: Callable[[], datetime] = _now) -> None:
        self._book = book
        self._tables = book.tables
        self._keep_days = keep_days
        self._now = now

    def retire_all(self) -> None:
        """Once; what can't be done is told, and left for the next time. Raises NotDurable: see LogTable."""
        for model in models_in(self._tables):
            for kind in _KINDS:
                try:
                    self._retire_old(model, kind)
                except (Fenced, OSError, DeltaError) as error:
                    log.warning("can't retire rows; it is tried again later", table=f"{model}/{kind}", why=str(error))
        for path in (retired_path(self._tables), restated_path(self._tables)):
            try:
                _tidy(path)
            except (Fenced, OSError, DeltaError) as error:
                log.warning("can't compact a table; it is tried again later", table=str(path), why=str(error))

    def _retire_old(self, model: str, kind: str) -> None:
        name = f"{model}/{kind}"
        for day in list(self._old_days(model, kind)):
            gone = retire(self._book, name, day, self._keep_days)
            ROWS.labels(name).inc(gone.rows)
            FILES.labels(name).inc(gone.files)
            if gone.rows:
                log.info("retired", table=name, day=day.isoformat(), rows=gone.rows, files=gone.files)

    def _old_days(self, model: str, kind: str) -> Iterator[date]:
        now = self._now()
        limit = now.date() - timedelta(days=self._keep_days)
        table = open_table(self._tables / model / kind)
        days = {} if table is None else {day: files for day, files in days_of(table).items() if day < limit}
        predictions = open_table(self._tables / model / "predictions") if days and kind == "outcomes" else None
        needed = {} if predictions is None else days_of(predictions)
        for day in sorted(days):
            written = max(file["modification_time"] for file in days[day]) / 1000
            if kind != "outcomes" or (day not in needed and now.timestamp() - written > _PUBLISHED):
                yield day
