"""Many days of many models without drift: how many false alarms has a model in 30 days?

Only panes step the detector: windows of coarser scales are the same rows once more, shown to people, and can't alarm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_statistics.fleet import Fleet, Truth, rule
from benchmarks.drift_statistics.worlds import plain_world
from benchmarks.rows import Row, at_most
from services.drift_detection.domain.detector.budget import Budget

PERIOD = 30
SCALES = 4  # the pane, and three that are shown
_ROWS, _REFERENCE = 200, 100_000


@dataclass(frozen=True)
class Days:
    """How much is simulated: so many models for so many days, in panes of so many seconds."""

    models: int
    days: int
    pane: int = 3600


def rows(size: Days) -> Iterator[Row]:
    """Modes G and C: 18 numeric and 2 categorical features."""
    rng = np.random.default_rng(6)
    worlds = [plain_world(rng, _REFERENCE, numeric=18, levels=2) for _ in range(size.models)]
    panes = size.days * 86_400 // size.pane
    for mode in "GC":
        budget = Budget(20, PERIOD * 86_400 / size.pane, 1000)
        fleet, truth = Fleet(worlds, rule(budget, _REFERENCE, mode)), Truth(worlds)
        count = np.full(size.models, _ROWS)
        alarms = sum(int(fleet.step(truth.draw(rng, count)).sum()) for _ in range(panes))
        told = f"{size.models * size.days:,} model-days, 20 features, {SCALES} scales"
        yield at_most(
            f"false alarms per model in 30 days, {told}: {mode}", alarms / (size.models * size.days) * PERIOD, 1
        )
