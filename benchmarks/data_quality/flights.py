"""Reports on real flights: March as it is, the file's own fault, and faults put in at noon of 15 March."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from benchmarks.rows import Row
from models.flight_delays.data import read_flights
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.quality.record import QualityRecord
from services.drift_detection.domain.reports.book import QualityBook
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import merge
from shared.definition import read_definition
from shared.events import DataQualityReported
from shared.features import Rows, stack_rows
from shared.reference import build_reference
from shared.reference.panes import MICROSECONDS, microseconds, pane_starts, time_of

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers see none

DIGEST = "0" * 64
NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2013, 1, 1, tzinfo=NEW_YORK)
LIVE = datetime(2013, 3, 1, tzinfo=NEW_YORK)
FAULT = datetime(2013, 3, 15, 12, tzinfo=NEW_YORK)
APRIL = datetime(2013, 4, 1, tzinfo=NEW_YORK)
LAST_DAYS = datetime(2013, 12, 30, tzinfo=NEW_YORK)
MISSING_SINCE = datetime(2013, 12, 30, 19, tzinfo=NEW_YORK)
DEFINITION = read_definition(Path(__file__).parents[2] / "models" / "flight_delays" / "model.toml")
HOUR = 3_600 * MICROSECONDS
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Feed:
    """Rows in order of event time, each with the time to the log, in microseconds."""

    rows: Rows
    times: Int64
    lags: Int64

    def parts(self, since: datetime) -> tuple["Feed", "Feed"]:
        """Before and from then on."""
        place = int(np.searchsorted(self.times, time_of(since)))
        return self[slice(0, place)], self[slice(place, None)]

    def __getitem__(self, part: slice | Int64 | NDArray[np.bool_]) -> "Feed":
        return Feed(self.rows[part], self.times[part], self.lags[part])

    def __add__(self, other: "Feed") -> "Feed":
        numeric = np.concatenate([self.rows.numeric, other.rows.numeric])
        rows = Rows(numeric, np.concatenate([self.rows.categorical, other.rows.categorical]))
        return Feed(rows, np.concatenate([self.times, other.times]), np.concatenate([self.lags, other.lags]))


Fault = Callable[[Feed], Feed]


def _numeric(name: str, value: float, step: int = 1) -> Fault:
    def put(feed: Feed) -> Feed:
        numeric = feed.rows.numeric.copy()
        numeric[::step, DEFINITION.numeric.index(name)] = value
        return replace(feed, rows=Rows(numeric, feed.rows.categorical))

    return put


def _renamed(feed: Feed) -> Feed:
    codes, column = feed.rows.categorical.copy(), DEFINITION.categorical.index("carrier")
    united = Flights.categories["carrier"].index("UA")
    codes[:, column] = np.where(codes[:, column] == united, -1, codes[:, column])
    return replace(feed, rows=Rows(feed.rows.numeric, codes))


def _hours_later(feed: Feed) -> Feed:
    return replace(feed, times=feed.times + 6 * HOUR)


FAULTS: tuple[tuple[str, str, Fault], ...] = (
    ("temp all missing", "missing", _numeric("temp", np.nan)),
    ("20 % zeros in pressure", "zeros", _numeric("pressure", 0, 5)),
    ("distance stuck", "flat", _numeric("distance", 733)),
    ("carrier UA renamed", "unseen", _renamed),
    ("event times 6 h later", "silent", _hours_later),
    ("every row twice, under other ids", "doubled", lambda feed: feed[np.repeat(np.arange(len(feed.times)), 2)]),
    ("every second row lost", "few_rows", lambda feed: feed[slice(0, None, 2)]),
    ("silent for 6 h", "silent", lambda feed: feed[feed.times >= time_of(FAULT) + 6 * HOUR]),
    ("3 h late", "late", lambda feed: replace(feed, lags=feed.lags + 3 * HOUR)),
)


class Flights:
    """The feed, and the reference of January and February."""

    categories: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self) -> None:
        flights = read_flights()
        known = flights.filter(pc.less(flights["event_time"], pa.scalar(LIVE)))
        Flights.categories = {name: tuple(sorted(set(known[name].to_pylist()))) for name in DEFINITION.categorical}
        columns = {name: flights[name].to_numpy().astype(np.float32) for name in DEFINITION.numeric}
        rows = stack_rows(
            columns | {name: flights[name].to_pylist() for name in DEFINITION.categorical},
            DEFINITION,
            Flights.categories,
        )
        times = microseconds(flights["event_time"].cast(pa.timestamp("us")).to_numpy())
        self._feed = Feed(rows, times, np.full(len(times), 2 * MICROSECONDS))

    @cached_property
    def watched(self) -> Watched:
        """The bundle."""
        before = self.between(START, LIVE)
        times = before.times.astype("datetime64[us]")
        scores = _scores(before)
        return Watched(DIGEST, DEFINITION, build_reference(before.rows, times, scores, DEFINITION, Flights.categories))

    def between(self, start: datetime, end: datetime) -> Feed:
        """The flights of that time."""
        return self._feed.parts(end)[0].parts(start)[1]

    def reports(self, feed: Feed) -> list[DataQualityReported]:
        """On all windows and silences."""
        book = QualityBook(DIGEST, self.watched, QualityRecord())
        starts = pane_starts(feed.times, DEFINITION.monitoring.pane_seconds)
        return [event for start in np.unique(starts) for event in self._report(book, int(start), feed[starts == start])]

    def _report(self, book: QualityBook, start: int, pane: Feed) -> list[DataQualityReported]:
        sketch, facts = self.watched.reference.empty_sketch(), Facts.empty(len(DEFINITION.numeric))
        sketch.add(pane.rows, _scores(pane), self.watched.reference.measure)
        facts.add(pane.rows.numeric, pane.lags, self.watched.inspector.limits)
        said = book.publish(merge(WindowKey(start, DIGEST, "champion"), [Partial(sketch, 0)], self.watched), facts)
        book.finish(start + HOUR)
        return said.events


def _scores(feed: Feed) -> NDArray[np.float32]:
    return np.full((len(feed.times), 1), 0.5, np.float32)


def _first(reports: Sequence[DataQualityReported], kind: str, since: datetime) -> str:
    ends = [event.end for event in reports if event.end > since and any(one.kind == kind for one in event.findings)]
    return f"{(min(ends) - since) / timedelta(hours=1):.0f} h" if ends else "never"


def run() -> list[Row]:
    """All cases."""
    flights = Flights()
    march = flights.between(LIVE, APRIL)
    clean = flights.reports(march)
    findings = sum(bool(event.findings) for event in clean)
    found = [
        Row(
            "flights of March: windows with a finding",
            f"{findings} of {len(clean)}",
            "<= 1 %",
            findings <= len(clean) / 100,
        )
    ]
    last = flights.reports(flights.between(LAST_DAYS, LAST_DAYS + timedelta(days=2)))
    rows = [("the file's own missing weather, from 30 December 19:00", _first(last, "missing", MISSING_SINCE))]
    before, after = flights.between(FAULT - timedelta(days=1), FAULT + timedelta(days=1)).parts(FAULT)
    for name, kind, fault in FAULTS:
        rows.append(
            (f"flights, {name} from 15 March 12:00", _first(flights.reports(before + fault(after)), kind, FAULT))
        )
    goal = "<= 6 h"
    return found + [
        Row(f"{case}: found after", hours, goal, hours != "never" and int(hours[:-2]) <= 6) for case, hours in rows
    ]
