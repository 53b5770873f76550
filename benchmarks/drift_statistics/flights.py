"""The flights of 2013 by hour, as the detector sees them: reference January and February, stream from March on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.flight_delays.data import read_flights
from services.drift_detection.domain.detector.bank import Bank, Memory, Step
from shared.definition import ModelDefinition
from shared.features import Float32, Int32, Rows, encode_categories
from shared.reference import Reference, build_reference
from shared.reference.panes import MICROSECONDS, time_of

HOUR = 3600 * MICROSECONDS
LIVE = datetime(2013, 3, 1, 5, tzinfo=UTC)
PERIOD = 30 * 24.0


@dataclass(frozen=True)
class Feed:
    """n flights in order of scheduled departure: `times` int64 [n], `rows` with one column per feature."""

    times: NDArray[np.int64]
    rows: Rows

    def between(self, start: datetime, end: datetime) -> "Feed":
        part = slice(*np.searchsorted(self.times, [time_of(start), time_of(end)]).tolist())
        return Feed(self.times[part], self.rows[part])


@dataclass(frozen=True)
class Flights:
    """Everything that the cases need."""

    feed: Feed
    definition: ModelDefinition
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, definition: ModelDefinition) -> "Flights":
        """Of the definition's features; categories are those of the reference's months."""
        table = read_flights()
        times = table["event_time"].cast("timestamp[us]").to_numpy().astype(np.int64)
        early = int(np.searchsorted(times, time_of(LIVE)))
        known = {name: table[name].to_pylist() for name in definition.categorical}
        categories = {name: tuple(sorted(set(values[:early]))) for name, values in known.items()}
        numeric = np.stack([table[name].to_numpy() for name in definition.numeric], axis=1).astype(np.float32)
        codes = np.stack([encode_categories(values, categories[name]) for name, values in known.items()], axis=1)
        return cls(Feed(times, Rows(numeric, codes)), definition, categories)

    @cached_property
    def reference(self) -> Reference:
        before = self.feed.between(datetime(2013, 1, 1, tzinfo=UTC), LIVE)
        none: Float32 = np.empty((len(before.times), 0), np.float32)
        times = before.times.astype("datetime64[us]")
        return build_reference(before.rows, times, none, self.definition, self.categories)

    @cached_property
    def bank(self) -> Bank:
        """F = 14 streams: no score."""
        return Bank({"all": self.reference}, PERIOD, self.definition.monitoring.nominal_rows)

    def place(self, name: str) -> int:
        """A numeric feature's column."""
        return self.definition.numeric.index(name)


@dataclass(frozen=True)
class Found:
    """An alarm: the start of its pane, and the features it names."""

    start: int
    names: tuple[str, ...]


def run(flights: Flights, feed: Feed, memory: Memory | None = None) -> tuple[Memory, list[Found]]:
    """Step the detector over a feed's hours; its memory then, and the alarms."""
    bank = flights.bank
    memory = bank.start() if memory is None else memory
    hours, first = np.unique(feed.times // HOUR, return_index=True)
    alarms = []
    for hour, rows in zip(hours.tolist(), np.split(np.arange(len(feed.times)), first[1:]), strict=True):
        sketch = flights.reference.empty_sketch()
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        none: Float32 = np.empty((len(rows), 0), np.float32)
        sketch.add(feed.rows[part], none, flights.reference.measure)
        step = bank.step(memory, hour * HOUR, {"all": sketch})
        memory = step.after
        if step.alarm is not None:
            alarms.append(Found(hour * HOUR, names(bank, step)))
    return memory, alarms


def names(bank: Bank, step: Step) -> tuple[str, ...]:
    """The features that an alarm names."""
    streams = [stream.name for group in bank.detector.groups for stream in group.streams]
    named = step.alarm.named if step.alarm is not None else np.zeros(len(streams), np.bool_)
    return tuple(name for name, said in zip(streams, named.tolist(), strict=True) if said)


Fault = Callable[[Flights, Float32, Int32, NDArray[np.int64]], None]


def with_fault(flights: Flights, feed: Feed, since: datetime, fault: Fault) -> Feed:
    """The feed with a fault in all rows from `since` on."""
    first = int(np.searchsorted(feed.times, time_of(since)))
    numeric, codes = feed.rows.numeric.copy(), feed.rows.categorical.copy()
    fault(flights, numeric[first:], codes[first:], feed.times[first:])
    return replace(feed, rows=Rows(numeric, codes))
