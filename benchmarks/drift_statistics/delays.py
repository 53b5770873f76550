"""After a change in one feature of fifty: how many windows, or rows, until it is named?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_statistics.false_alarms import STEPS, mixed_rows
from benchmarks.drift_statistics.fleet import Fleet, Truth, rule
from benchmarks.drift_statistics.worlds import NOTHING, Change, Float64, plain_world
from benchmarks.rows import Row, at_most
from services.drift_detection.domain.detector.budget import Budget

BEFORE, MOST = 10, 120
_FEATURES = 50
Path = Callable[[int], Change]


@dataclass(frozen=True)
class Case:
    """What happens, from the window on that it begins with; what may be asked of modes G and C."""

    name: str
    path: Path
    limits: tuple[float, float]
    categorical: bool = False
    missing: float = 0.0


def steady(change: Change) -> Path:
    """The same from the beginning on."""
    return lambda _window: change


CASES = (
    Case("+.1 sd", steady(Change(shift=0.1)), (5, 4)),
    Case("+.05 sd", steady(Change(shift=0.05)), (20, 14)),
    Case("+.25 sd", steady(Change(shift=0.25)), (1.2, 1.05)),
    Case("+.5 sd", steady(Change(shift=0.5)), (1.2, 1.05)),
    Case("variance times 1.5", steady(Change(spread=1.5**0.5)), (1.2, 1.05)),
    Case("category, total variation .1", steady(Change(moved=0.1)), (1.2, 1.05), categorical=True),
    Case("5 % zeros", steady(Change(zeros=0.05)), (4, 3.5)),
    Case("ramp of .005 sd a window", lambda window: Change(shift=0.005 * (window + 1)), (18, 15)),
    Case("missing 1 % → 2 %", steady(Change(missing=0.02)), (5.5, 5.5), missing=0.01),
)


def delay(case: Case, mode: str, models: int, seed: int, sizes: str = "steady") -> tuple[Float64, Float64]:
    """Windows and rows until the changed feature is named, float64 [models] each; R=100k, n=1000."""
    rng = np.random.default_rng(seed)
    other = {"numeric": 1, "levels": 0} if not case.categorical else {"numeric": 0, "levels": 1}
    worlds = [plain_world(rng, 100_000, missing=case.missing, **other) for _ in range(models)]
    # The other 49 features of a model share the budget; without drift they say nothing.
    fleet = Fleet(worlds, rule(Budget(_FEATURES, STEPS, 1000), 100_000, mode, case.missing))
    truth = Truth(worlds)
    windows, seen, before = np.zeros(models), np.zeros(models), NOTHING
    running = np.ones(models, np.bool_)
    for window in range(BEFORE + MOST):
        now = case.path(window - BEFORE) if window >= BEFORE else NOTHING
        if now != before:
            truth.change_first(now, categorical=case.categorical)
            before = now
        count = np.full(models, 1000) if sizes == "steady" else mixed_rows(rng, models)
        alarmed = fleet.step(truth.draw(rng, count))
        if window >= BEFORE:
            windows += running
            seen += running * count
            running &= ~alarmed
        if not running.any():
            break
    return windows, seen


def rows(models: int) -> Iterator[Row]:
    """All changes, then those in panes of mixed sizes."""
    for place, mode in enumerate("GC"):
        for case in CASES:
            windows, _ = delay(case, mode, models, 4)
            yield at_most(f"windows to find {case.name}: {mode}", float(windows.mean()), case.limits[place])
    for place, mode in enumerate("GC"):
        for case, limits in ((CASES[0], (5000, 3500)), (CASES[2], (1150, 1000))):
            _, seen = delay(case, mode, models, 5, "mixed")
            yield at_most(
                f"rows to find {case.name} in panes of mixed sizes: {mode}", float(seen.mean()), limits[place]
            )
