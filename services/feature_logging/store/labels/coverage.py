"""How many predictions have their label, how long that took, and how many labels belong to none: day by day."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pydantic import Field

from services.feature_logging.domain.labels import LABEL_COLUMNS, labels_of
from services.feature_logging.domain.pairs import Label
from services.feature_logging.domain.told import DAY, days, tell_time, times_told
from services.feature_logging.store.counted import Counted
from services.feature_logging.store.finding import Source, find
from services.feature_logging.store.following import KNOWN
from shared.errors import InvalidInput
from shared.events import Record
from shared.events.labels import AHEAD
from shared.feature_log.reading import NoSuchModel, dataset, newest_day, open_table
from shared.feature_log.schema import LABELS, PARTITION, PREDICTIONS, TIME, TableKind, table_path

MOST_DAYS, USUAL_DAYS = 31, 7
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
# Lags are counted in bins of 1.1 %.
_PER_DOUBLING = 64
# So many labels are looked for at once, so that the memory that it takes does not grow with a day's.
BLOCK = 50_000
# Pairs are looked for of predictions of so many days before and after those asked for.
AROUND_DAYS = 31
EPOCH = date(1970, 1, 1)
KEY = ["request_id", "row"]
# Labels that no prediction is found of, and whether they tell when it was made.
_FOUND = pa.schema([PREDICTIONS.field(name) for name in KEY])
_LEFT = pa.schema([*(LABELS.field(name) for name in (*KEY, PARTITION)), ("told", pa.bool_())])


class Lag(Record):
    """So large a share of the labelled rows had their label after at most so many seconds."""

    share: float
    seconds: float


class DayOfLabels(Record):
    """A day in UTC: of the rows that the champion answered on it, repeats left out, those that are labelled by now; and
    of the labels that came true on it, repeats and corrections included, those that no logged prediction is known for.
    One is known that lies where the label tells, or that met a label: one of this day, or any, if it was made at most
    31 days before or after.
    """

    day: date
    predictions: int
    labelled: int
    coverage: float = Field(description="labelled / predictions; 0 where there are none")
    corrections: int
    business: int = Field(description="business outcomes that met a row of the day, without their corrections")
    lags: tuple[Lag, ...] = Field(description="from prediction to label, at most 1.1 % too long")
    labels: int
    unknown: int = Field(description="labels that tell when their prediction was made: none is there")
    untold: int = Field(description="labels that tell no such time: their prediction can't be looked for")


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
        asked = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return [self._day(opened, day, labels) for day, labels in zip(asked, _labels(opened, asked), strict=True)]

    def _day(self, opened: "_Opened", day: date, labels: "_Labels") -> DayOfLabels:
        answered = sum(self._answered.of(_files(opened.predictions, day)))
        pairs = list(self._pairs.of(_files(opened.outcomes, day)))
        lags = sum((each.lags for each in pairs), Counter[int]())
        return DayOfLabels(
            day=day,
            predictions=answered,
            labelled=lags.total(),
            coverage=lags.total() / answered if answered else 0,
            corrections=sum(each.corrections for each in pairs),
            business=sum(each.business for each in pairs),
            lags=tuple(_quantiles(lags)),
            **labels._asdict(),
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


class _Labels(NamedTuple):
    """Of labels that came true on a day: see DayOfLabels."""

    labels: int
    unknown: int
    untold: int


def _labels(opened: _Opened, asked: Sequence[date]) -> Iterator[_Labels]:
    """Of each day, in this order."""
    came = [_came(opened, day) for day in asked]
    left = _without_pair(opened, pa.concat_tables([each for _, each in came]), asked[0], asked[-1])
    counts = left.group_by([PARTITION, "told"]).aggregate([([], "count_all")])
    by_day = {(row[PARTITION], row["told"]): row["count_all"] for row in counts.to_pylist()}
    for day, (count, _) in zip(asked, came, strict=True):
        yield _Labels(count, unknown=by_day.get((day, True), 0), untold=by_day.get((day, False), 0))


def _came(opened: _Opened, day: date) -> tuple[int, pa.Table]:
    """How many labels came true on a day, and those of them (_LEFT) that met nothing on it and whose prediction is not
    where they tell.
    """
    if opened.labels is None:
        return 0, _LEFT.empty_table()
    chosen = (ds.field(PARTITION) == pa.scalar(day)) & KNOWN
    came = left = dataset(opened.labels).to_table(columns=LABEL_COLUMNS, filter=chosen)
    if opened.outcomes is not None and len(came):
        met = dataset(opened.outcomes).to_table(columns=KEY, filter=_came_true(day))
        left = came.join(met, KEY, join_type="left anti")
    blocks = (labels_of(left.slice(first, BLOCK), business=False) for first in range(0, len(left), BLOCK))
    parts = [(_told(block, day), _found(opened, block)) for block in blocks]
    told, found = (
        pa.concat_tables(each) for each in zip((_LEFT.empty_table(), _FOUND.empty_table()), *parts, strict=True)
    )
    return len(came), told.join(found, KEY, join_type="left anti")


def _came_true(day: date) -> ds.Expression:
    start = (day - EPOCH).days * DAY  # in plain numbers, for the first and the last day of dates
    time, logged = ds.field("label_time"), ds.field("log_time")
    within = (time >= pa.scalar(start, TIME)) & (time < pa.scalar(start + DAY, TIME))
    earliest = start - AHEAD // timedelta(microseconds=1)
    return within & (logged >= pa.scalar(earliest, TIME))  # of this there are statistics


def _told(labels: list[Label], day: date) -> pa.Table:
    told = tell_time(labels)
    columns = [[label.request_id for label in labels], [label.row for label in labels], [day] * len(labels), told]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _LEFT, strict=True)]
    return pa.table(arrays, schema=_LEFT)


def _found(opened: _Opened, labels: list[Label]) -> pa.Table:
    """The keys of the predictions that lie where labels tell."""
    wanted = {request_id: [days(time) for time in times] for request_id, times in times_told(labels).items() if times}
    if opened.predictions is None or not wanted:
        return _FOUND.empty_table()
    schema = pa.schema([*_FOUND, PREDICTIONS.field("event_time")])
    return find(Source(opened.path, opened.predictions, schema), wanted).select(KEY)


def _without_pair(opened: _Opened, left: pa.Table, first: date, last: date) -> pa.Table:
    """Those whose prediction met no label at all, be it one that came true on another day."""
    if opened.outcomes is None or not len(left):
        return left
    ends = ((first - EPOCH).days - AROUND_DAYS, (last - EPOCH).days + AROUND_DAYS)  # plain numbers, as above
    start, end = (pa.scalar(number, pa.int32()).cast(pa.date32()) for number in ends)
    day = ds.field(PARTITION)
    wanted = (day >= start) & (day <= end) & ds.field("request_id").isin(left.column("request_id").unique())
    met = dataset(opened.outcomes).to_table(columns=[*KEY, PARTITION], filter=wanted)
    once = met.group_by([*KEY, PARTITION]).aggregate([])
    both = left.join(once, KEY, join_type="inner", right_suffix="_met")
    own, other = (both.column(name).cast(pa.int32()) for name in (PARTITION, f"{PARTITION}_met"))
    # Of each its own days: what is told of one day does not depend on the others that are asked for.
    apart = pc.call_function("abs", [pc.call_function("subtract", [own, other])])
    near = both.filter(pc.call_function("less_equal", [apart, pa.scalar(AROUND_DAYS)])).select([*KEY, PARTITION])
    return left.join(near, [*KEY, PARTITION], join_type="left anti")
