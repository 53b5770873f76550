"""Windows of models whose truth is known: how often the interval covers, and what is said where it does not."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.performance_estimate.models import Float64, Model, scorer, window_of
from benchmarks.performance_estimate.rows import Size, share
from benchmarks.rows import Row
from services.drift_detection.domain.performance.lags import LagCurve
from services.drift_detection.domain.performance.measure import Waiting, measure
from services.drift_detection.domain.performance.outcomes import Scorer
from shared.definition import LabelKind
from shared.features import Float32

KINDS: tuple[LabelKind, ...] = ("binary", "regression")
ALL_THERE = 10**15


@dataclass
class Tally:
    """Windows; per metric those that are not too skewed to tell, and of these those in which the interval covered;
    those in which calibration was said to hold, or was not tested.
    """

    windows: int = 0
    told: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    holds: int = 0

    def add(self, known: Scorer, scores: Float32, labels: Float64) -> None:
        """One more window, with all its labels."""
        waiting = Waiting(len(labels), ALL_THERE, LagCurve(), settled=True)
        found = measure(known, window_of(known, scores, labels), waiting)
        self.windows += 1
        self.told.update({metric.name: int(metric.covered is not None) for metric in found.metrics})
        self.covered.update({metric.name: int(bool(metric.covered)) for metric in found.metrics})
        self.holds += found.calibration is None or found.calibration.holds

    @property
    def coverage(self) -> float:
        """Over all metrics, where it is told."""
        return self.covered.total() / self.told.total() if self.told.total() else math.nan

    @property
    def by_metric(self) -> str:
        """Each one's."""
        return ", ".join(self._of(name) for name in self.told)

    def _of(self, name: str) -> str:
        if not self.told[name]:
            return f"{name} too skewed"
        skewed = "" if self.told[name] == self.windows else f" of the {share(self.told[name], self.windows)} told"
        return f"{name} {share(self.covered[name], self.told[name])}{skewed}"


def _tallies(fit: Model, live: Model, size: Size) -> Iterator[tuple[int, Tally]]:
    tallies = {count: Tally() for count in size.rows}
    for number in range(size.references):
        random = np.random.default_rng([2026, number])
        known = scorer(fit, random)
        for count, tally in tallies.items():
            for _ in range(size.windows):
                tally.add(known, *live.rows(count, random))
    yield from tallies.items()


def coverage(size: Size) -> Iterator[Row]:
    """Where a score means what it meant."""
    for kind in KINDS:
        for name, fit, live in (
            ("as the reference", Model(kind), Model(kind)),
            ("inputs moved by .7 sd", Model(kind), Model(kind, shift=0.7)),
            ("few rows decide", Model(kind, rare=True), Model(kind, rare=True)),
            ("runs of 50 rows share their luck", Model(kind, run=50), Model(kind, run=50)),
        ):
            for count, tally in _tallies(fit, live, size):
                yield _covers(f"{kind}, {name}, {count:,} rows: covered", tally)


def _covers(case: str, tally: Tally) -> Row:
    value = (
        f"{share(tally.coverage, 1)} ({tally.by_metric}); calibration said to hold {share(tally.holds, tally.windows)}"
    )
    met = 0.93 <= tally.coverage <= 0.97 and tally.holds >= 0.97 * tally.windows
    return Row(case, value, "93 to 97 %, calibration said to hold in 97 % or more", met)


def broken(size: Size) -> Iterator[Row]:
    """Where it does not: more comes true than did, or the errors are larger."""
    for live in (Model("binary", drift=0.4), Model("regression", drift=0.25)):
        kind = live.kind
        for count, tally in _tallies(Model(kind), live, Size(size.references // 4, size.windows, (1_000, 10_000))):
            value = f"covered {share(tally.coverage, 1)}; calibration said to hold {share(tally.holds, tally.windows)}"
            said = tally.coverage < 0.9 and tally.holds < 0.1 * tally.windows
            goal = "covered in less than 90 %, calibration said to hold in less than 10 %"
            yield Row(f"{kind}, what comes true has changed, {count:,} rows", value, goal, said)
