"""Hours of few rows of another kind, in the reference as in the stream: no drift."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.definition import Feature, Label, ModelDefinition
from shared.features import Rows
from shared.monitoring import Monitoring
from shared.reference import build_reference
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, START, World

Block = tuple[NDArray[np.float32], NDArray[np.int32]]
LEVELS = ("a", "b", "c", "d")
MIX, OTHER = [0.4, 0.3, 0.2, 0.1], [0.2, 0.2, 0.3, 0.3]


def hours(every: int, rows_each: tuple[int, int], count: int, seed: int) -> Iterator[Block]:
    """In one of `every` hours just a job's rows: `x` is shifted, `y` misses more often, `c` has another mix."""
    random = np.random.default_rng(seed)
    for hour in range(count):
        is_job = hour % every == 3
        rows = random.poisson(rows_each[is_job])
        values = random.normal(size=(rows, 2))
        values[:, 0] += 1.2 * is_job
        values[random.random(rows) < (0.2 if is_job else 0.01), 1] = np.nan
        yield values.astype(np.float32), random.choice(4, (rows, 1), p=OTHER if is_job else MIX).astype(np.int32)


def reference(blocks: list[Block], season: str) -> World:
    settings = Monitoring.model_validate({"pane_seconds": 3600, "season": season})
    definition = ModelDefinition(
        name="quiet",
        owner="tests",
        features=(*(Feature(name=name, kind="numeric") for name in "xy"), Feature(name="c", kind="categorical")),
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=settings,
    )
    rows = Rows(np.concatenate([values for values, _ in blocks]), np.concatenate([levels for _, levels in blocks]))
    hour = np.repeat(np.arange(len(blocks)), [len(values) for values, _ in blocks])
    times = START + hour * np.timedelta64(1, "h")
    return World(
        build_reference(rows, times, np.empty((len(rows), 0), np.float32), definition, {"c": LEVELS}), settings
    )


@pytest.mark.parametrize(
    ("every", "rows_each", "days", "season"),
    [(24, (1000, 150), 14, "none"), (24, (1000, 60), 14, "hour_of_day"), (168, (200, 150), 28, "none")],
)
def test_a_nightly_or_weekly_job_is_no_drift(every: int, rows_each: tuple[int, int], days: int, season: str) -> None:
    there = reference(list(hours(every, rows_each, days * 24, 1)), season)
    bank = there.bank(720)
    memory, alarms = bank.start(), []
    for number, (values, levels) in enumerate(hours(every, rows_each, days * 12, 2)):
        sketch = there.reference.empty_sketch()
        sketch.add(Rows(values, levels), np.empty((len(values), 0), np.float32), there.reference.measure)
        step = bank.step(memory, FIRST + (days * 24 + number) * HOUR, {"all": sketch})
        memory = step.after
        alarms += [number] * (step.alarm is not None)
    assert alarms == []
