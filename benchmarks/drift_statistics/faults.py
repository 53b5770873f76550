"""What goes wrong with a feed of flights: each fault changes rows in place from its beginning on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_statistics.flights import HOUR, Fault, Flights
from shared.features import UNSEEN, Float32, Int32

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class FaultCase:
    """A fault, the features that it falsifies, and the most hours it may take to be named in daytime and at night."""

    name: str
    fault: Fault
    causes: tuple[str, ...]
    within: tuple[float, float]


def scaled(factor: float, offset: float, *features: str) -> Fault:
    """Another unit: x becomes (x - offset)·factor."""

    def fault(flights: Flights, numeric: Float32, _codes: Int32, _times: Int64) -> None:
        for name in features:
            column = flights.place(name)
            numeric[:, column] = (numeric[:, column] - offset) * factor

    return fault


def swapped(one: str, other: str) -> Fault:
    """Two columns in each other's place."""

    def fault(flights: Flights, numeric: Float32, _codes: Int32, _times: Int64) -> None:
        places = [flights.place(one), flights.place(other)]
        numeric[:, places] = numeric[:, places[::-1]]

    return fault


def hour_in_utc(flights: Flights, numeric: Float32, _codes: Int32, times: Int64) -> None:
    """The hour of the departure as a clock in UTC shows it."""
    numeric[:, flights.place("hour")] = times // HOUR % 24


def zeros(*features: str) -> Fault:
    """5 % of the values are 0."""

    def fault(flights: Flights, numeric: Float32, _codes: Int32, _times: Int64) -> None:
        random = np.random.default_rng(5)
        for name in features:
            numeric[random.random(len(numeric)) < 0.05, flights.place(name)] = 0

    return fault


def all_missing(name: str) -> Fault:
    """No value any more."""

    def fault(flights: Flights, numeric: Float32, _codes: Int32, _times: Int64) -> None:
        numeric[:, flights.place(name)] = np.nan

    return fault


def stuck(*features: str) -> Fault:
    """Each airport's value stays what it was at first."""

    def fault(flights: Flights, numeric: Float32, codes: Int32, _times: Int64) -> None:
        origin = codes[:, flights.definition.categorical.index("origin")]
        for code in np.unique(origin).tolist():
            rows = origin == code
            for name in features:
                column = numeric[rows, flights.place(name)]
                known = column[~np.isnan(column)]
                numeric[rows, flights.place(name)] = known[0] if len(known) else np.nan

    return fault


def renamed(feature: str, level: str) -> Fault:
    """A category under a name that nobody knows."""

    def fault(flights: Flights, _numeric: Float32, codes: Int32, _times: Int64) -> None:
        place = flights.definition.categorical.index(feature)
        column = codes[:, place]
        column[column == flights.categories[feature].index(level)] = UNSEEN

    return fault


def weather_late(hours: int) -> Fault:
    """Each airport's weather of so many hours before."""

    def fault(flights: Flights, numeric: Float32, codes: Int32, times: Int64) -> None:
        weather = [
            flights.place(name) for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib")
        ]
        origin = codes[:, flights.definition.categorical.index("origin")]
        was = numeric.copy()
        for code in np.unique(origin).tolist():
            rows = np.flatnonzero(origin == code)
            earlier = np.searchsorted(times[rows], times[rows] - hours * HOUR, side="right") - 1
            then = rows[np.maximum(earlier, 0)]
            numeric[rows[:, None], weather] = was[then[:, None], weather]

    return fault


CASES: Sequence[FaultCase] = (
    FaultCase("temp, dewp °F→°C", scaled(1 / 1.8, 32, "temp", "dewp"), ("temp", "dewp"), (1, 54)),
    FaultCase("pressure hPa→inHg", scaled(0.02953, 0, "pressure"), ("pressure",), (1, 5)),
    FaultCase("5 % zeros in temp", zeros("temp"), ("temp",), (2, 6)),
    FaultCase("5 % zeros in pressure", zeros("pressure"), ("pressure",), (2, 6)),
    FaultCase("5 % zeros in distance", zeros("distance"), ("distance",), (2, 6)),
    FaultCase("temp all missing", all_missing("temp"), ("temp",), (4, 8)),
    FaultCase("wind stuck", stuck("wind_speed", "wind_dir"), ("wind_speed", "wind_dir"), (8, 13)),
    FaultCase("temp stuck", stuck("temp"), ("temp",), (21, 23)),
    FaultCase("temp and humid swapped", swapped("temp", "humid"), ("temp", "humid"), (1, 108)),
    FaultCase("hour local→UTC", hour_in_utc, ("hour",), (1, 5)),
    FaultCase("hour and minute swapped", swapped("hour", "minute"), ("hour", "minute"), (1, 5)),
    FaultCase("distance miles→km", scaled(1.609344, 0, "distance"), ("distance",), (6, 10)),
    FaultCase("carrier UA→UAL", renamed("carrier", "UA"), ("carrier",), (4, 7)),
    FaultCase("visib miles→km", scaled(1.609344, 0, "visib"), ("visib",), (80, 103)),
    FaultCase("wind mph→m/s", scaled(0.44704, 0, "wind_speed"), ("wind_speed",), (np.inf, np.inf)),
    FaultCase(
        "weather 6 h late",
        weather_late(6),
        ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib"),
        (np.inf, np.inf),
    ),
)
