"""What each detector says of real flights, day by day: March 2013 against January and February, as it is and faulty."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from benchmarks.drift_peers.compare import Row, with_ours
from benchmarks.drift_peers.data import Block
from benchmarks.drift_peers.job import NAMES, Answer, Days, Job, ask
from benchmarks.flight_faults import DEFINITION, LIVE, NEW_YORK, START, between
from models.flight_delays.data import CELSIUS, read_flights, with_celsius
from shared.definition import read_definition

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers see none

END = datetime(2013, 4, 1, tzinfo=NEW_YORK)
FAULT = datetime(2013, 3, 15, tzinfo=NEW_YORK)
BEFORE = 14  # days of March before the fault


@dataclass(frozen=True)
class Columns:
    """The features of the model, and the categories of its reference."""

    numeric: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    def block(self, rows: pa.Table) -> Block:
        """Its rows; all categories that the reference does not have are one more."""
        numeric = np.stack([rows[name].to_numpy().astype(np.float32) for name in self.numeric], axis=1)
        codes = [_codes(rows[name], known) for name, known in self.categories.items()]
        return Block(numeric, np.stack(codes, axis=1))

    def places(self, names: tuple[str, ...]) -> set[int]:
        """Which features these are."""
        return {self.numeric.index(name) for name in names}


def _codes(column: pa.ChunkedArray, known: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    places = {value: place for place, value in enumerate(known)}
    return np.array([places.get(value, len(known)) for value in column.to_pylist()], np.int32)


def run() -> tuple[list[Row], dict[str, str]]:
    """All figures, and who was left out and why."""
    flights = read_flights()
    definition = read_definition(DEFINITION)
    before, live = between(flights, START, LIVE), between(flights, LIVE, END)
    categories = {name: tuple(sorted(set(before[name].to_pylist()))) for name in definition.categorical}
    columns = Columns(tuple(definition.numeric), categories)
    jobs = [_job(columns, before, live), _job(columns, before, with_celsius(live, FAULT))]
    calm, faulty = [with_ours(job, said) for job, said in zip(jobs, ask(jobs), strict=True)]
    left_out = {name: said.error for name, said in calm.items() if said.error}
    rows = []
    for name in calm:
        if not calm[name].error:
            rows += _rows(name, calm[name], faulty[name], columns.places(CELSIUS))
    return rows, left_out


def _job(columns: Columns, before: pa.Table, live: pa.Table) -> Job:
    days = _days(live)
    starts = np.flatnonzero(np.diff(days).astype(np.int64)) + 1
    rows = columns.block(live)
    parts = zip(np.split(rows.numeric, starts), np.split(rows.codes, starts), strict=True)
    features = len(columns.numeric) + len(columns.categories)
    windows = [Block(*part) for part in parts]
    peers = dict.fromkeys(NAMES, len(windows))
    return Job(columns.block(before), [windows], peers, features, days=(_days(before), days))


def _days(rows: pa.Table) -> Days:
    local = pc.local_timestamp(rows["event_time"].cast(pa.timestamp("us", "America/New_York")))
    return np.asarray(local.to_numpy().astype("datetime64[D]"))


def _rows(name: str, calm: Answer, faulty: Answer, moved: set[int]) -> list[Row]:
    """Of 31 days as they are, and of 17 with the fault: days flagged, and days that name what the fault moved."""
    before, after = calm.flags[0], faulty.flags[0][BEFORE:]
    quiet = before[BEFORE:]
    figures = {
        f"flights as they are, {len(before)} days of March: flagged": (sum(map(bool, before)), before),
        f"the same, {len(quiet)} days from 15 March: name temp or dewp": (_name(quiet, moved), quiet),
        f"temp, dewp °F→°C, {len(after)} days from 15 March: name temp or dewp": (_name(after, moved), after),
        "the same: days from the fault to the end of the first that does": (_first(after, moved), after),
    }
    return [Row(name, calm.version, case, value, len(days)) for case, (value, days) in figures.items()]


def _name(days: list[list[int]], moved: set[int]) -> int:
    return sum(bool(moved.intersection(day)) for day in days)


def _first(days: list[list[int]], moved: set[int]) -> int | str:
    return next((number for number, day in enumerate(days, 1) if moved.intersection(day)), "never")
