"""A daily cycle of half a standard deviation: what references by hour of the day find that one reference can't."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rows import Row
from services.drift_detection.domain.detector.bank import Bank
from shared.definition import Feature, Label, ModelDefinition
from shared.features import Rows
from shared.monitoring import Monitoring, Season
from shared.reference import Reference, build_reference
from shared.reference.panes import MICROSECONDS

CYCLE, SHIFT = 0.5, 0.1
_PER_HOUR, _DAYS, _QUIET, _MOST = 300, 40, 240, 480
_HOUR = 3600 * MICROSECONDS
_START = 20_000 * 24 * _HOUR


@dataclass(frozen=True)
class Found:
    """Of all runs: alarms before the change, and hours until it was found, the most there were if it was not."""

    before: int
    hours: float


def values(rng: np.random.Generator, first: int, hours: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows of one feature by hour, float32 [hours, rows]."""
    level = CYCLE * np.sin(2 * np.pi * (first + np.arange(hours)) / 24)
    return (level[:, None] + rng.standard_normal((hours, _PER_HOUR))).astype(np.float32)


def reference(season: Season, seed: int) -> Reference:
    """Of 40 days."""
    definition = ModelDefinition(
        name="cycle",
        owner="benchmarks",
        features=(Feature(name="x", kind="numeric"),),
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=Monitoring(pane_seconds=3600, season=season),
    )
    hours = 24 * _DAYS
    column = values(np.random.default_rng(seed), -hours, hours).reshape(-1, 1)
    times = _START + np.repeat(np.arange(-hours, 0), _PER_HOUR) * _HOUR
    none = np.empty((len(column), 0), np.float32)
    return build_reference(Rows(column, none.astype(np.int32)), times.astype("datetime64[us]"), none, definition, {})


def find(season: Season, seeds: Sequence[int]) -> Found:
    """Ten days as in the reference, then a shift of .1 sd."""
    alarms, hours = 0, []
    for seed in seeds:
        known = reference(season, seed)
        bank = Bank({"all": known}, 720, 1000)
        memory, rng = bank.start(), np.random.default_rng(1000 + seed)
        there = values(rng, 0, _QUIET + _MOST)
        there[_QUIET:] += SHIFT
        found = _MOST
        for hour, column in enumerate(there):
            sketch = known.empty_sketch()
            none = np.empty((_PER_HOUR, 0), np.float32)
            sketch.add(Rows(column[:, None], none.astype(np.int32)), none, known.measure)
            step = bank.step(memory, _START + hour * _HOUR, {"all": sketch})
            memory = step.after
            if step.alarm is not None and hour >= _QUIET:
                found = hour - _QUIET + 1
                break
            alarms += step.alarm is not None
        hours.append(found)
    return Found(alarms, float(np.mean(hours)))


def rows(runs: int) -> Iterator[Row]:
    """With and without."""
    plain, split = find("none", range(runs)), find("hour_of_day", range(runs))
    case = f"daily cycle of {CYCLE} sd, 300 rows an hour, +{SHIFT} sd"
    told = f"{split.hours:.1f} h ({plain.hours:.1f} h with one reference)"
    yield Row(
        f"{case}: found with references by hour after", told, "in half of the time", split.hours <= plain.hours / 2
    )
    yield Row(
        f"{case}: alarms before it, of {runs} x {_QUIET} h",
        split.before + plain.before,
        "0",
        not split.before + plain.before,
    )
