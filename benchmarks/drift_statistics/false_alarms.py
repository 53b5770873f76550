"""Windows without any drift: how many of a thousand alarm?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_statistics.fleet import Fleet, Truth, pane, rule
from benchmarks.drift_statistics.worlds import Float64, Int64, Numeric, World, odd_world, plain_world
from benchmarks.rows import Row, at_most
from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.group import PaneCounts

STEPS = 1000.0
JITTER, CYCLE = 0.05, 0.1
_KEPT = 0.8  # of the jitter, from window to window
_DAY = 24


@dataclass(frozen=True)
class Size:
    """How much is simulated: `references`, and `windows` of each."""

    references: int
    windows: int


Panes = Callable[[np.random.Generator, Sequence[World]], Iterator[list[PaneCounts]]]


def rate(worlds: Sequence[World], panes: Panes, kind: tuple[int, int, str], seed: int, windows: int) -> float:
    """Alarmed windows per 1,000; `kind` is (n0, R, mode)."""
    nominal, rows, mode = kind
    streams = len(worlds[0].numeric) + len(worlds[0].levels)
    fleet = Fleet(worlds, rule(Budget(streams, STEPS, nominal), rows, mode))
    drawn = panes(np.random.default_rng(seed), worlds)
    alarms = sum(int(fleet.step(next(drawn)).sum()) for _ in range(windows))
    return 1000 * alarms / (windows * len(worlds))


def steady(rows: int) -> Panes:
    """Panes of so many rows."""

    def draw(rng: np.random.Generator, worlds: Sequence[World]) -> Iterator[list[PaneCounts]]:
        truth = Truth(worlds)
        while True:
            yield truth.draw(rng, np.full(len(worlds), rows))

    return draw


def mixed_rows(rng: np.random.Generator, count: int) -> Int64:
    """0, 3, or 10 to 2,000, of which each order of size is as frequent."""
    kind, size = rng.integers(0, 3, count), np.exp(rng.uniform(np.log(10), np.log(2001), count)).astype(np.int64)
    return np.where(kind == 0, 0, np.where(kind == 1, 3, size))


def mixed(rng: np.random.Generator, worlds: Sequence[World]) -> Iterator[list[PaneCounts]]:
    """Panes of all sizes."""
    truth = Truth(worlds)
    while True:
        yield truth.draw(rng, mixed_rows(rng, len(worlds)))


def correlated(rng: np.random.Generator, worlds: Sequence[World]) -> Iterator[list[PaneCounts]]:
    """1,000 rows whose numeric features are correlated by .7."""
    truth = Truth(worlds)
    edges = np.array([[feature.bounds for feature in world.numeric] for world in worlds])
    rows = np.full(len(worlds), 1000)
    while True:
        common = rng.standard_normal((len(worlds), 1, 1000))
        own = rng.standard_normal((len(worlds), edges.shape[1], 1000))
        values = np.sqrt(0.7) * common + np.sqrt(0.3) * own
        bins, outside = _binned(values.reshape(-1, 1000), edges.reshape(-1, edges.shape[2]))
        events = np.stack([np.zeros_like(outside), np.zeros_like(outside), outside], axis=1)
        numbers = pane(np.repeat(rows, edges.shape[1]), bins, events)
        yield [numbers, truth.draw(rng, rows)[1]]


def _binned(values: Float64, edges: Float64) -> tuple[Int64, Int64]:
    """Counts of the bins between the outer edges of each row of values, and how many lie beyond those."""
    inner = edges.shape[1] - 1
    cells = np.stack([np.searchsorted(edge[1:-1], row) for row, edge in zip(values, edges, strict=True)])
    found = np.bincount((cells + np.arange(len(values))[:, None] * inner).reshape(-1), minlength=len(values) * inner)
    outside = (values < edges[:, :1]).sum(axis=1) + (values > edges[:, -1:]).sum(axis=1)
    return found.reshape(len(values), inner), outside


def wander(kind: str, rng: np.random.Generator, features: int) -> Iterator[Float64]:
    """The shifts of the features' means from window to window, without end."""
    phase = rng.uniform(0, 2 * np.pi, features)
    shift, time = JITTER * rng.standard_normal(features), 0
    while True:
        yield shift if kind == "jitter" else CYCLE * np.sin(2 * np.pi * time / _DAY + phase)
        shift = _KEPT * shift + np.sqrt(1 - _KEPT**2) * JITTER * rng.standard_normal(features)
        time += 1


def wandering_rate(kind: str, size: Size, seed: int) -> float:
    """Features whose means wander, as they did in the reference; mode G."""
    rng, features = np.random.default_rng(seed), 50
    paths = [wander(kind, rng, features) for _ in range(size.references)]
    worlds = []
    for path in paths:
        shifts = np.array([next(path) for _ in range(100)])
        worlds.append(World([Numeric.wandering(rng, shifts[:, number], 1000, 1000) for number in range(features)], []))

    def draw(_rng: np.random.Generator, worlds: Sequence[World]) -> Iterator[list[PaneCounts]]:
        truth = Truth(worlds)
        while True:
            truth.shift(np.concatenate([next(path) for path in paths]))
            yield truth.draw(rng, np.full(len(worlds), 1000))

    return rate(worlds, draw, (1000, 100_000, "G"), seed, size.windows)


def rows(size: Size) -> Iterator[Row]:
    """All cases of windows without drift."""
    rng = np.random.default_rng(1)
    large = [plain_world(rng, 100_000) for _ in range(size.references)]
    small = [plain_world(rng, 10_000) for _ in range(size.references)]
    odd = [odd_world(rng, 10_000) for _ in range(size.references)]
    for mode, limit in (("G", 0.5), ("C", 1.0)):
        for name, worlds, panes, kind in (
            ("n=1000, R=100k", large, steady(1000), (1000, 100_000)),
            ("n=1000, R=10k", small, steady(1000), (1000, 10_000)),
            ("n=200, R=100k", large, steady(200), (200, 100_000)),
            ("panes of 0, 3 and 10 to 2,000 rows, R=100k", large, mixed, (1000, 100_000)),
            ("features correlated by .7, R=100k", large, correlated, (1000, 100_000)),
            ("constant, bounded, rare-level, rarely missing features, R=10k", odd, steady(1000), (1000, 10_000)),
        ):
            found = rate(worlds, panes, (*kind, mode), 2, size.windows)
            yield at_most(f"false alarms per 1,000 windows, {name}: {mode}", found, limit)
    for path, name in (("jitter", "AR(1) jitter of .05 sd"), ("cycle", "daily cycle of .1 sd")):
        yield at_most(f"false alarms per 1,000 windows, {name}: G", wandering_rate(path, size, 3), 1.5)
