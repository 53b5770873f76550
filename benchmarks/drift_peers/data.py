"""Seeded data to try detectors on: independent rows of a model's features, as they are and with one fault.

A block has 45 numeric features, of four kinds in turn, and 5 categorical ones:

* normal: standard normal; exponential: mean 1; uniform: 0 to 1;
* rounded: half N(-1, ½), half N(1, ½), rounded to quarters, so that values repeat;
* categories: 3, 5, 8, 12 and 20 levels; level k, from 1, has a share in proportion to 1/k.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

MEAN = {"normal": 0.0, "exponential": 1.0, "uniform": 0.5, "rounded": 0.0}
DEVIATION = {"normal": 1.0, "exponential": 1.0, "uniform": 12**-0.5, "rounded": (1.25 + 0.25**2 / 12) ** 0.5}


class Block(NamedTuple):
    """Rows: `numeric` float32 [n, F], NaN where missing; `codes` int32 [n, C], negative where missing."""

    numeric: Float32
    codes: Int32


@dataclass(frozen=True)
class Layout:
    """The kinds of the numeric features and how many levels each categorical one has."""

    kinds: tuple[str, ...]
    levels: tuple[int, ...]

    @property
    def features(self) -> int:
        """How many, numeric and categorical."""
        return len(self.kinds) + len(self.levels)


LAYOUT = Layout((*DEVIATION,) * 11 + ("normal",), (3, 5, 8, 12, 20))


@dataclass(frozen=True)
class Case:
    """What becomes of one feature, from the first window on.

    `change` is a key of CHANGES or "none"; `size` its size: standard deviations (shift), the same per window (ramp),
    factor of the variance (variance), share of rows (zeros, missing), total variation (category). `feature` counts
    the numeric features, or for a category the categorical ones.
    """

    name: str
    change: str = "none"
    size: float = 0.0
    feature: int = 0

    def alone(self, layout: Layout) -> tuple["Case", Layout]:
        """The same fault in a layout of its feature alone: enough for rules that look at one feature at a time."""
        if self.change == "category":
            return replace(self, feature=0), Layout((), (layout.levels[self.feature],))
        return replace(self, feature=0), Layout((layout.kinds[self.feature],), ())


IN_CONTROL = Case("in control")
CASES = (
    Case("+0.05 sd", "shift", 0.05),
    Case("+0.1 sd", "shift", 0.1),
    Case("+0.25 sd", "shift", 0.25),
    Case("+0.5 sd", "shift", 0.5),
    Case("variance x1.5", "variance", 1.5),
    Case("5 % zeros", "zeros", 0.05),
    Case("category TV 0.1", "category", 0.1),
    Case("ramp 0.005 sd per window", "ramp", 0.005),
)


def block(rng: np.random.Generator, rows: int, layout: Layout = LAYOUT) -> Block:
    """Rows without a fault."""
    numeric = np.empty((rows, len(layout.kinds)), np.float32)
    for place, kind in enumerate(layout.kinds):
        numeric[:, place] = _DRAWS[kind](rng, rows)
    codes = np.empty((rows, len(layout.levels)), np.int32)
    for place, levels in enumerate(layout.levels):
        codes[:, place] = np.searchsorted(np.cumsum(shares(levels))[:-1], rng.random(rows), side="right")
    return Block(numeric, codes)


def windows(case: Case, rng: np.random.Generator, rows: int, count: int, layout: Layout = LAYOUT) -> Iterator[Block]:
    """`count` windows of `rows` rows, the case's fault in each."""
    for step in range(1, count + 1):
        fresh = block(rng, rows, layout)
        if case.change != "none":
            CHANGES[case.change](fresh, case, rng, layout, step)
        yield fresh


def shares(levels: int) -> Float64:
    """The share of each level, the most frequent first."""
    weights = 1 / np.arange(1, levels + 1)
    return np.asarray(weights / weights.sum())


def _normal(rng: np.random.Generator, rows: int) -> Float64:
    return rng.standard_normal(rows)


def _rounded(rng: np.random.Generator, rows: int) -> Float64:
    return np.asarray(np.round((rng.integers(0, 2, rows) * 2 - 1 + 0.5 * rng.standard_normal(rows)) * 4) / 4)


_DRAWS: dict[str, Callable[[np.random.Generator, int], Float64]] = {
    "normal": _normal,
    "exponential": lambda rng, rows: rng.standard_exponential(rows),
    "uniform": lambda rng, rows: rng.random(rows),
    "rounded": _rounded,
}


def _shift(fresh: Block, case: Case, _: np.random.Generator, layout: Layout, __: int) -> None:
    fresh.numeric[:, case.feature] += np.float32(case.size * DEVIATION[layout.kinds[case.feature]])


def _ramp(fresh: Block, case: Case, rng: np.random.Generator, layout: Layout, step: int) -> None:
    _shift(fresh, replace(case, size=case.size * step), rng, layout, step)


def _variance(fresh: Block, case: Case, _: np.random.Generator, layout: Layout, __: int) -> None:
    mean = np.float32(MEAN[layout.kinds[case.feature]])
    column = fresh.numeric[:, case.feature]
    column[:] = mean + (column - mean) * np.float32(case.size**0.5)


def _share_becomes(value: float) -> Callable[[Block, Case, np.random.Generator, Layout, int], None]:
    def change(fresh: Block, case: Case, rng: np.random.Generator, _: Layout, __: int) -> None:
        fresh.numeric[rng.random(len(fresh.numeric)) < case.size, case.feature] = value

    return change


def _category(fresh: Block, case: Case, rng: np.random.Generator, layout: Layout, _: int) -> None:
    """Rows of the most frequent level take the next one's, so that `size` of all rows changes."""
    column = fresh.codes[:, case.feature]
    moved = (column == 0) & (rng.random(len(column)) < case.size / shares(layout.levels[case.feature])[0])
    column[moved] = 1


CHANGES = {
    "shift": _shift,
    "ramp": _ramp,
    "variance": _variance,
    "zeros": _share_becomes(0.0),
    "missing": _share_becomes(float("nan")),
    "category": _category,
}
