"""Real data: the flights of 2013, a model fitted on January and February, windows from March to June."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from benchmarks.performance_estimate.models import Float64, of_reference
from benchmarks.performance_estimate.rows import share
from benchmarks.performance_estimate.simulated import Tally
from benchmarks.rows import Row
from models.flight_delays.data import read_flights
from models.flight_delays.graph import probabilities
from models.flight_delays.train import fit
from shared.definition import ModelDefinition, read_definition
from shared.features import Rows, model_input, stack_rows
from shared.reference import build_reference
from shared.training import TrainingData

DEFINITION = Path(__file__).parents[2] / "models" / "flight_delays" / "model.toml"
NEW_YORK = ZoneInfo("America/New_York")
WINDOW = 100
HALVES = [(month, first) for month in (3, 4, 5, 6) for first in (1, 16)]


@dataclass(frozen=True)
class Flights:
    """Those with a label, in order of scheduled departure."""

    table: pa.Table
    definition: ModelDefinition
    categories: dict[str, tuple[str, ...]]

    def between(self, start: datetime, end: datetime) -> tuple[Rows, NDArray[np.datetime64], Float64]:
        """Rows, event times and labels of a part of the year."""
        bounds = [np.datetime64(when.astimezone(ZoneInfo("UTC")).replace(tzinfo=None), "us") for when in (start, end)]
        times = self.table["event_time"].cast(pa.timestamp("us")).to_numpy()
        first, last = np.searchsorted(times, bounds).tolist()
        part = self.table.slice(first, last - first)
        columns = {name: part[name].to_numpy().astype(np.float32) for name in self.definition.numeric}
        columns |= {name: part[name].to_pylist() for name in self.definition.categorical}
        return stack_rows(columns, self.definition, self.categories), times[first:last], part["label"].to_numpy()


def _day(month: int, day: int) -> datetime:
    return datetime(2013, month, day, tzinfo=NEW_YORK)


def _read() -> Flights:
    definition, table = read_definition(DEFINITION), read_flights()
    table = table.filter(table["label"].is_valid())
    categories = {name: tuple(sorted(set(table[name].to_pylist()))) for name in definition.categorical}
    return Flights(table, definition, categories)


def flights() -> Iterator[Row]:
    """By half month: how often the interval covers in windows of 100 flights, and whether it is said where it fails."""
    known = _read()
    definition = known.definition
    rows, times, labels = known.between(_day(1, 1), _day(3, 1))
    names = tuple(feature.name for feature in definition.features)
    data = TrainingData(model_input(rows, definition), labels, times, names, known.categories)
    hyperparameters = definition.training.hyperparameters if definition.training else {}
    model = fit(data, hyperparameters, definition.training.seed if definition.training else 0)
    scorer = of_reference(build_reference(rows, times, model.out_of_fold, definition, known.categories, labels=labels))
    for month, first in HALVES:
        end = _day(month, 16) if first == 1 else _day(month + 1, 1)
        rows, _, labels = known.between(_day(month, first), end)
        scores = probabilities(model.onnx, model_input(rows, definition))[:, 1:]
        tally = Tally()
        for begin in range(0, len(labels) - WINDOW + 1, WINDOW):
            part = slice(begin, begin + WINDOW)
            tally.add(scorer, scores[part], labels[part])
        yield _row(f"flights from {first} {_day(month, first):%B}", tally)


def _row(case: str, tally: Tally) -> Row:
    against = tally.windows - tally.holds
    said = f"calibration said not to hold {share(against, tally.windows)}"
    value = f"{share(tally.coverage, 1)} covered ({tally.by_metric}); {said}"
    met = tally.coverage >= 0.93 or against > 0.02 * tally.windows
    return Row(case, value, "93 % or more covered, or less and said in more than 2 % of windows", met)
