"""Simulated rollouts: two versions of known difference, pane by pane, five independent metrics side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.rollout.sums import GRID, Sums
from shared.reference.panes import Int64
from shared.rollout import METRICS
from shared.subjects import GROUPS

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
M = len(METRICS)


@dataclass(frozen=True)
class Kind:
    """A sort of stream. `rows` come a pane (Poisson); `share` of subjects is the canary's, and from half on `later`.

    Values are `level` + noise of `noise`, or with `rare` 0 or 1. `subjects` > 0: so many, some with many more rows than
    others (Pareto, index `tail`), each off by a value of its own of deviation `alike`. Else requests have `run` rows,
    of one subject and with the same noise. `cycle`: both rise and fall by so much in 144 panes. `silent`: the canary is
    away every other 20 panes. `harm` is the canary's difference from the start. `paired`: a shadow, whose values are
    differences.
    """

    rows: float = 100.0
    share: float = 0.1
    later: float = 0.1
    level: float = 0.4
    noise: float = 0.2
    rare: float = 0.0
    subjects: int = 0
    tail: float = 2.0
    alike: float = 0.2
    run: int = 1
    cycle: float = 0.0
    silent: bool = False
    harm: float = 0.0
    paired: bool = False


class Pane(NamedTuple):
    """Sums of both; `rows` on each side."""

    version: Sums
    champion: Sums


class _People:
    """Subjects: which group, which side, how far off [S, M], and how often they come."""

    def __init__(self, kind: Kind, random: np.random.Generator) -> None:
        count = kind.subjects
        self.group = random.integers(0, GROUPS, count)
        self.place = random.random(count)
        self.off = random.normal(0, kind.alike, (count, M))
        weight = random.pareto(kind.tail, count) + 0.3
        self.chance = weight / weight.sum()


def panes(kind: Kind, count: int, random: np.random.Generator) -> Iterator[Pane]:
    """The panes of a stream. Nothing is clipped away that would shift the truth: noise is symmetric and small."""
    people = _People(kind, random) if kind.subjects else None
    for number in range(count):
        rows = int(random.poisson(kind.rows))
        share = kind.share if number < count // 2 else kind.later
        if people is None:
            group, place = _each(kind, rows, random)
            off = np.zeros((rows, M))
        else:
            who = random.choice(kind.subjects, rows, p=people.chance)
            group, place, off = people.group[who], people.place[who], people.off[who]
        canary = np.ones(rows, np.bool_) if kind.paired else place < share
        level = kind.level + kind.cycle * np.sin(2 * np.pi * number / 144)
        values = _values(kind, level + kind.harm * canary, off, random)
        if kind.silent and number // 20 % 2:
            canary = np.zeros(rows, np.bool_)
        yield Pane(_sums(group, values, canary), _sums(group, values, ~canary))


def _each(kind: Kind, rows: int, random: np.random.Generator) -> tuple[Int64, Float64]:
    """Group and side of each row, where every request has a subject of its own."""
    requests = -(-rows // kind.run)
    group, place = random.integers(0, GROUPS, requests), random.random(requests)
    return np.repeat(group, kind.run)[:rows], np.repeat(place, kind.run)[:rows]


def _values(kind: Kind, level: Float64, off: Float64, random: np.random.Generator) -> Float64:
    rows = len(level)
    if kind.rare:
        return (random.random((rows, M)) < kind.rare + level[:, None] - kind.level).astype(np.float64)
    own = random.normal(0, kind.noise, (-(-rows // kind.run), M))
    return level[:, None] + off + np.repeat(own, kind.run, axis=0)[:rows]


def _sums(group: Int64, values: Float64, chosen: Mask) -> Sums:
    """Of the rows chosen, values [n, M]; a difference may be negative."""
    sums = Sums.empty()
    places = np.rint(np.clip(values[chosen], -1, 1) * GRID).astype(np.int64)
    sums.answered = len(places)
    for metric in range(M):
        sums.add(metric, group[chosen], places[:, metric])
    return sums
