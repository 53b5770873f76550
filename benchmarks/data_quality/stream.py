"""Simulated windows: independent rows or clumps, a daily cycle, quiet weekends, busy days, bursts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.definition import parse_definition
from shared.features import Rows
from shared.reference.panes import MICROSECONDS

PANE = 3_600
FIRST = 19_723 * 86_400 * MICROSECONDS  # 1 January 2024, a Monday
DIGEST = "0" * 64
LAG = 2 * MICROSECONDS
NUMERIC = ("level", "price", "count", "delta", "gauge", "ratio")
CATEGORIES = {"site": tuple(f"s{number}" for number in range(60)), "grade": ("a", "b", "c")}
DEFINITION = parse_definition(
    f"""
name = "simulated"
owner = "benchmarks"
features = [
{"".join(f'{{ name = "{name}", kind = "numeric", min = -1e6, max = 1e6 }},' for name in NUMERIC)}
{"".join(f'{{ name = "{name}", kind = "categorical" }},' for name in CATEGORIES)}
]
label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
monitoring = {{ pane_seconds = {PANE} }}
"""
)
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """A stream: `rows` of a mean window; each value shared by `run` rows; `swing` of whole days; bursts of so many."""

    name: str
    rows: int
    days: int
    run: int = 1
    swing: float = 0.0
    burst: int = 1


@dataclass(frozen=True)
class Pane:
    """The rows of one window."""

    rows: Rows
    scores: NDArray[np.float32]
    lags: Int64


class Stream:
    """Windows of one kind, from a seed: a daily cycle, and quiet weekends."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.kind = kind
        self._random = np.random.default_rng(seed)
        self._busy: dict[int, float] = {}

    def pane(self, number: int) -> Pane:
        """Window `number`, counted in hours from a Monday."""
        return self.values(self._count(number))

    def _count(self, hour: int) -> int:
        kind, random, day = self.kind, self._random, hour // 24
        if day not in self._busy:
            self._busy[day] = random.lognormal(0, kind.swing)
        cycle = 1 + 0.5 * np.sin((hour % 24 - 6) * np.pi / 12)
        mean = kind.rows * cycle * (0.6 if day % 7 >= 5 else 1) * self._busy[day]
        return kind.burst * int(random.poisson(mean / kind.burst))

    def values(self, count: int) -> Pane:
        """So many rows."""
        random, run = self._random, self.kind.run
        n = -(-count // run)
        uniform = random.random((n, 2))
        columns = [
            random.normal(20, 5, n),
            random.lognormal(3, 1, n),
            random.poisson(2, n).astype(float),
            random.standard_t(3, n),
            np.where(uniform[:, 0] < 0.6, 0, random.exponential(1, n)),
            np.where(uniform[:, 1] < 0.02, np.nan, random.random(n)),
        ]
        numeric = np.repeat(np.stack(columns, axis=1), run, axis=0)[:count].astype(np.float32)
        sites = np.minimum(random.geometric(0.12, n) - 1, len(CATEGORIES["site"]) - 1)
        codes = np.repeat(np.stack([sites, random.integers(0, 3, n)], axis=1), run, axis=0)[:count].astype(np.int32)
        lags = (LAG * random.lognormal(0, 0.5, count)).astype(np.int64)
        return Pane(Rows(numeric, codes), random.random((count, 1)).astype(np.float32), lags)


def panes(stream: Stream, number: int) -> Iterator[Pane]:
    return (stream.pane(hour) for hour in range(number))
