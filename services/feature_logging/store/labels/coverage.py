"""How many predictions have their label, how long that took, and how many labels belong to none: day by day."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pydantic import Field

from services.feature_logging.domain.labels import LABEL_COLUMNS, labels_of
from services.feature_logging.domain.pairs import Label, RowKey
from services.feature_logging.domain.told import DAY, days, times_told
from services.feature_logging.store.counted import Counted
from services.feature_logging.store.finding import Source, find
from services.feature_logging.store.following import KNOWN
from shared.errors import InvalidInput
from shared.events import Record
from shared.events.labels import AHEAD
from shared.feature_log.reading import NoSuchModel, dataset, newest_day, open_table
from shared.feature_log.schema import PARTITION, PREDICTIONS, TIME, TableKind, table_path

MOST_DAYS, USUAL_DAYS = 31, 7
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
# Lags are counted in bins of 1.1 %.
_PER_DOUBLING = 64
# So many labels are looked for at once, so that the memory that it takes does not grow with a day's.
BLOCK = 50_000
KEY = ["request_id", "row"]


class Lag(Record):
    """So large a share of the labelled rows had their label after at most so many seconds."""

    share: float
    seconds: float


class DayOfLabels(Record):
    """A day in UTC: of the rows that the champion answered on it, repeats left out, those that are labelled by now; and
    of the labels that came true on it, repeats and corrections included, those that no logged prediction is known for.
    """

    day: date
    predictions: int
    labelled: int
    coverage: float = Field(description="labelled / predictions; 0 where there are none")
    corrections: int
    business: int = Field(description="business outcomes that met a row of the day, without their corrections")
    lags: tuple[Lag, ...] = Field(description="from prediction to label, at most 1.1 % too long")
    labels: int
    unknown: int


@dataclass(frozen=True)
class _Pairs:
    """Of one file of pairs of a day: first labels by lag's bin, corrections of them, first business outcomes."""

    lags: Counter[int]
    corrections: int
    business: int


class Coverage:
    """Reads the log's tables."""

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._answered = Counted(_count_answered)
        self._pairs = Counted(_count_pairs)

    def days(self, model: str, first: date | None = None, last: date | None = None) -> list[DayOfLabels]:
        """The days from `first` to `last`, both included; without, the newest 7 of which there are predictions.

        Raises:
            InvalidInput: the range is empty or over 31 days.
            NoSuchModel: there are no predictions of it.
        """
        opened = _Opened.of(self._tables, model)
        newest = None if opened.predictions is None else newest_day(opened.predictions)
        if newest is None:
            raise NoSuchModel(model, "predictions")
        last = last or newest
        first = first or max(last, date.min + timedelta(days=USUAL_DAYS)) - timedelta(days=USUAL_DAYS - 1)
        if not 0 <= (last - first).days < MOST_DAYS:
            raise InvalidInput("to", f"must not be before `from`, and at most {MOST_DAYS} days with it")
        return [self._day(opened, first + timedelta(days=number)) for number in range((last - first).days + 1)]

    def _day(self, opened: "_Opened", day: date) -> DayOfLabels:
        answered = sum(self._answered.of(_files(opened.predictions, day)))
        pairs = list(self._pairs.of(_files(opened.outcomes, day)))
        lags = sum((each.lags for each in pairs), Counter[int]())
        labels, unknown = _labels(opened, day)
        return DayOfLabels(
            day=day,
            predictions=answered,
            labelled=lags.total(),
            coverage=lags.total() / answered if answered else 0,
            corrections=sum(each.corrections for each in pairs),
            business=sum(each.business for each in pairs),
            lags=tuple(_quantiles(lags)),
            labels=labels,
            unknown=unknown,
        )


@dataclass(frozen=True)
class _Opened:
    """A model's tables now."""

    path: Path
    predictions: DeltaTable | None
    labels: DeltaTable | None
    outcomes: DeltaTable | None

    @classmethod
    def of(cls, tables: Path, model: str) -> "_Opened":
        kinds: tuple[TableKind, ...] = ("predictions", "labels", "outcomes")
        paths = [table_path(tables, model, kind) for kind in kinds]
        return cls(paths[0], *map(open_table, paths))


def _files(table: DeltaTable | None, day: date) -> Iterable[ds.Fragment]:
    return () if table is None else dataset(table).get_fragments(ds.field(PARTITION) == pa.scalar(day))


def _count_answered(file: ds.Fragment) -> int:
    count: int = file.count_rows(filter=(ds.field("role") == "champion") & ~ds.field("repeat"))
    return count


def _count_pairs(file: ds.Fragment) -> _Pairs:
    columns = ["business", "event_time", "label_time", "replaced"]
    rows = file.to_table(columns=columns, filter=ds.field("role") == "champion")
    business, first = (
        rows.column("business").to_numpy(),
        rows.column("replaced").is_null().to_numpy(),
    )
    predicted, labelled = (rows.column(name).cast(pa.int64()).to_numpy() for name in columns[1:3])
    lags = (labelled - predicted)[first & ~business]
    bins, counts = np.unique(np.floor(np.log2(lags + 1.0) * _PER_DOUBLING).astype(int), return_counts=True)
    return _Pairs(
        Counter(dict(zip(bins.tolist(), counts.tolist(), strict=True))),
        corrections=int((~first & ~business).sum()),
        business=int((first & business).sum()),
    )


def _quantiles(lags: Counter[int]) -> Iterator[Lag]:
    bins = sorted(lags)
    reached = np.cumsum([lags[number] for number in bins])
    for share in SHARES if bins else ():
        number = bins[int(np.searchsorted(reached, share * reached[-1]))]
        yield Lag(share=share, seconds=round((2 ** ((number + 1) / _PER_DOUBLING) - 1) / 1e6, 6))


def _labels(opened: _Opened, day: date) -> tuple[int, int]:
    """How many labels came true on a day, and of how many of them no prediction is known."""
    if opened.labels is None:
        return 0, 0
    chosen = (ds.field(PARTITION) == pa.scalar(day)) & KNOWN
    came = dataset(opened.labels).to_table(columns=LABEL_COLUMNS, filter=chosen)
    left = came
    if opened.outcomes is not None and len(came):
        met = dataset(opened.outcomes).to_table(columns=KEY, filter=_came_true(day))
        left = came.join(met, KEY, join_type="left anti")
    blocks = (left.slice(first, BLOCK) for first in range(0, len(left), BLOCK))
    return len(came), sum(_unknown(opened, labels_of(block, business=False)) for block in blocks)


def _came_true(day: date) -> ds.Expression:
    start = (day - date(1970, 1, 1)).days * DAY  # in plain numbers, for the first and the last day of dates
    time, logged = ds.field("label_time"), ds.field("log_time")
    within = (time >= pa.scalar(start, TIME)) & (time < pa.scalar(start + DAY, TIME))
    earliest = start - AHEAD // timedelta(microseconds=1)
    return within & (logged >= pa.scalar(earliest, TIME))  # of this there are statistics


def _unknown(opened: _Opened, labels: list[Label]) -> int:
    found = _found(opened, labels)
    return sum(label.key not in found for label in labels)


def _found(opened: _Opened, labels: list[Label]) -> set[RowKey]:
    """The labels' rows that are in the log; an id that tells no time is found by its pair alone."""
    told = times_told(labels)
    wanted = {request_id: [days(time) for time in times] for request_id, times in told.items() if times}
    if opened.predictions is None or not wanted:
        return set()
    schema = pa.schema([PREDICTIONS.field(name) for name in (*KEY, "event_time")])
    rows = find(Source(opened.path, opened.predictions, schema), wanted)
    return set(zip(*(rows.column(name).to_pylist() for name in KEY), strict=True))
