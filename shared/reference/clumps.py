"""How much alike the rows of a pane are in the reference: what keeps natural runs from looking like faults."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.definition import ModelDefinition
from shared.events.base import Finite, Record
from shared.features import MISSING, Float32, Int32, Rows
from shared.reference.panes import Int64, pane_starts

UInt64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]

LEAST_ROWS = 10  # of a pane that may be called flat or doubled


class Clump(Record):
    """One column. A design effect says by how much the variance of a pane's count exceeds that of independent rows.

    `missing`, `zeros`, `low` and `high` are those of missing values, exact zeros, and values in the lowest and highest
    of 20 bins (for a category `high` is that of the most frequent one), at least 1. `most_missing` and `most_zeros`
    are the greatest shares in a pane of 10 rows or more, `flat` counts such panes with one value only.
    `below_limit` and `above_limit` count rows beyond the definition's range.
    """

    name: str
    missing: Finite = Field(default=1, ge=1)
    zeros: Finite = Field(default=1, ge=1)
    low: Finite = Field(default=1, ge=1)
    high: Finite = Field(default=1, ge=1)
    most_missing: Finite = Field(default=0, ge=0, le=1)
    most_zeros: Finite = Field(default=0, ge=0, le=1)
    flat: int = Field(default=0, ge=0)
    below_limit: int = Field(default=0, ge=0)
    above_limit: int = Field(default=0, ge=0)


class Clumps(Record):
    """All columns. A row of the reference is in a pane of `usual` rows on average.

    Of the non-empty panes `repeated` had the same rows as the one before, in any order; `doubled` had 10 rows or more,
    and each of them more than once, or twice, or three times, all alike.
    """

    usual: Finite = Field(ge=1)
    repeated: int = Field(ge=0)
    doubled: int = Field(ge=0)
    numeric: tuple[Clump, ...]
    categorical: tuple[Clump, ...]
    scores: tuple[Clump, ...]


class _Panes:
    """Rows sorted into non-empty panes: `where` int64 [R] is the pane of each row, `rows` int64 [P] of each pane."""

    def __init__(self, times: Int64, seconds: int) -> None:
        _, self.where, self.rows = np.unique(pane_starts(times, seconds), return_inverse=True, return_counts=True)

    @property
    def usual(self) -> float:
        """Σn²/Σn."""
        return float(np.square(self.rows).sum() / self.rows.sum())

    def spread(self, marked: Mask, among: Mask) -> tuple[float, float]:
        """The design effect Σ(k - n·p)² / (N·p·(1-p)), k marked of n rows in each pane, N and p of all; at least 1.

        And the greatest k/n of panes with 10 rows or more.
        """
        marks = np.bincount(self.where[marked & among], minlength=len(self.rows))
        rows = np.bincount(self.where[among], minlength=len(self.rows))
        total = int(rows.sum())
        share = int(marks.sum()) / max(total, 1)
        if share in {0, 1}:
            return 1.0, share
        effect = float(np.square(marks - rows * share).sum()) / (total * share * (1 - share))
        large = rows >= LEAST_ROWS
        return max(1.0, effect), float((marks[large] / rows[large]).max(initial=0))

    def flat(self, values: Float32 | Int32, known: Mask) -> int:
        """Panes of 10 rows or more with one known value only."""
        order = np.argsort(self.where[known], kind="stable")
        panes, sorted_values = self.where[known][order], values[known][order]
        if not len(panes):
            return 0
        begins = np.flatnonzero(np.diff(panes, prepend=-1))
        rows = np.diff(begins, append=len(panes))
        same = np.minimum.reduceat(sorted_values, begins) == np.maximum.reduceat(sorted_values, begins)
        return int((same & (rows >= LEAST_ROWS)).sum())


def find_clumps(rows: Rows, scores: Mapping[str, Float32], times: Int64, definition: ModelDefinition) -> Clumps:
    """Of R rows with event times int64 [R] and scores float32 [R] by name."""
    panes = _Panes(times, definition.monitoring.pane_seconds)
    hashes = _row_hashes(rows)
    limits = {feature.name: (feature.min, feature.max) for feature in definition.features}
    numeric = zip(definition.numeric, rows.numeric.T, strict=True)
    categorical = zip(definition.categorical, rows.categorical.T, strict=True)
    return Clumps(
        usual=panes.usual,
        repeated=_repeated(panes, hashes),
        doubled=_doubled(panes, hashes),
        numeric=tuple(_numeric(panes, name, values, limits[name]) for name, values in numeric),
        categorical=tuple(_categorical(panes, name, codes) for name, codes in categorical),
        scores=tuple(_score(panes, name, values) for name, values in scores.items()),
    )


def _numeric(panes: _Panes, name: str, values: Float32, limits: tuple[float | None, float | None]) -> Clump:
    missing = np.isnan(values)
    known = ~missing
    low, high = np.quantile(values[known], (0.05, 0.95)) if known.any() else (0.0, 0.0)
    missing_effect, most_missing = panes.spread(missing, np.ones_like(missing))
    zeros_effect, most_zeros = panes.spread(values == 0, known)
    least, greatest = limits
    return Clump(
        name=name,
        missing=missing_effect,
        most_missing=most_missing,
        zeros=zeros_effect,
        most_zeros=most_zeros,
        low=panes.spread(values <= low, known)[0],
        high=panes.spread(values >= high, known)[0],
        flat=panes.flat(values, known),
        below_limit=0 if least is None else int((values < np.float32(least)).sum()),
        above_limit=0 if greatest is None else int((values > np.float32(greatest)).sum()),
    )


def _score(panes: _Panes, name: str, values: Float32) -> Clump:
    """A score without a value was not computed out of fold: it is not missing."""
    return Clump(name=name, flat=panes.flat(values, ~np.isnan(values)))


def _categorical(panes: _Panes, name: str, codes: Int32) -> Clump:
    missing = codes == MISSING
    effect, most = panes.spread(missing, np.ones_like(missing))
    frequent = np.bincount(codes[codes >= 0]).argmax() if (codes >= 0).any() else 0
    return Clump(
        name=name,
        missing=effect,
        most_missing=most,
        high=panes.spread(codes == frequent, ~missing)[0],
        flat=panes.flat(codes, ~missing),
    )


def _row_hashes(rows: Rows) -> UInt64:
    """64 bits of each row's features, from fixed odd factors: equal rows have equal ones."""
    words: NDArray[np.uint32] = np.concatenate([rows.numeric.view(np.uint32), rows.categorical.view(np.uint32)], axis=1)
    factors: UInt64 = np.random.default_rng(0).integers(1, 2**63, (words.shape[1], 1), dtype=np.uint64) | np.uint64(1)
    mixed: UInt64 = np.zeros(len(words), dtype=np.uint64)
    for column in range(words.shape[1]):
        mixed = (mixed ^ words[:, column]) * factors[column]
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _repeated(panes: _Panes, hashes: UInt64) -> int:
    contents: UInt64 = np.zeros(len(panes.rows), dtype=np.uint64)
    np.add.at(contents, panes.where, hashes)
    same = (contents[1:] == contents[:-1]) & (panes.rows[1:] == panes.rows[:-1])
    return int(same.sum())


def _doubled(panes: _Panes, hashes: UInt64) -> int:
    order = np.lexsort((hashes, panes.where))
    where, sorted_hashes = panes.where[order], hashes[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (where[1:] != where[:-1]) | (sorted_hashes[1:] != sorted_hashes[:-1])
    begins = np.flatnonzero(new)
    copies = np.diff(begins, append=len(order))
    of_pane = np.flatnonzero(np.diff(where[begins], prepend=-1))
    common = np.gcd.reduceat(copies, of_pane)
    return int(((common > 1) & (panes.rows >= LEAST_ROWS)).sum())
