"""A window's sketch as the event shows it: per feature its shares, statistics and histogram."""

from collections.abc import Sequence

import numpy as np

from services.drift_detection.domain import statistics
from services.drift_detection.domain.statistics import Float64
from shared.events import CategoricalDrift, NumericDrift
from shared.reference import Reference, SketchResult
from shared.reference.bins import FINE, MOST_LEVELS
from shared.reference.panes import Int64

Described = tuple[tuple[NumericDrift, ...], tuple[CategoricalDrift, ...], tuple[NumericDrift, ...]]


class _Columns:
    """Counts of the reference [N, B], a row per column; which of the bins exist; which rows have any."""

    def __init__(self, rows: Sequence[Sequence[int]], width: int) -> None:
        self.counts: Int64 = np.zeros((len(rows), width), dtype=np.int64)
        self.valid = np.zeros((len(rows), width), dtype=np.bool_)
        for number, row in enumerate(rows):
            self.counts[number, : len(row)] = row
            self.valid[number, : len(row)] = True
        totals = self.counts.sum(axis=1, keepdims=True)
        self.known = totals[:, 0] > 0
        self.shares: Float64 = self.counts / np.maximum(totals, 1)

    def statistics(self, counts: Int64) -> tuple["_Statistics", Int64]:
        """The statistics of bins both sides share, and the columns that have them: rows here and there."""
        usable = np.flatnonzero(self.known & (counts.sum(axis=1) > 0))
        mine, expected, valid = counts[usable], self.counts[usable], self.valid[usable]
        found = _Statistics(len(counts), usable)
        found.put("psi", statistics.psi(mine, expected, valid))
        found.put("ks", statistics.kolmogorov_smirnov(mine, expected))
        found.put("js", statistics.jensen_shannon(mine, expected))
        found.put("chi_square", statistics.chi_square(mine, expected, valid))
        return found, usable


class _Statistics:
    """Values by column and name; a column without one has None."""

    def __init__(self, columns: int, usable: Int64) -> None:
        self._of: list[dict[str, float | None]] = [{} for _ in range(columns)]
        self._usable = usable.tolist()

    def put(self, name: str, values: Float64) -> None:
        for column in self._of:
            column[name] = None
        for column, value in zip(self._usable, values.tolist(), strict=True):
            self._of[column][name] = value

    def of(self, column: int) -> dict[str, float | None]:
        return self._of[column]


class Describer:
    """Describes windows against one reference."""

    def __init__(self, reference: Reference) -> None:
        self._features = len(reference.numeric)
        self._profiles = reference.columns
        self._categorical = reference.categorical
        self._numbers = _Columns([profile.counts for profile in reference.columns], FINE)
        self._levels = _Columns([profile.level_counts for profile in reference.categorical], MOST_LEVELS + 1)
        self._means = _bin_means(reference)

    def __call__(self, result: SketchResult) -> Described:
        """What to show of the numeric features, the categorical ones and the scores."""
        found, usable = self._numbers.statistics(result.counts)
        distance = statistics.wasserstein(
            result.counts[usable], result.bin_means[usable], self._numbers.counts[usable], self._means[usable]
        )
        found.put("wasserstein", distance)
        numeric = [self._numeric(result, column, found) for column in range(len(self._profiles))]
        levels, _ = self._levels.statistics(result.levels)
        categorical = [self._category(result, column, levels) for column in range(len(self._categorical))]
        return tuple(numeric[: self._features]), tuple(categorical), tuple(numeric[self._features :])

    def _numeric(self, result: SketchResult, column: int, found: _Statistics) -> NumericDrift:
        profile, present = self._profiles[column], int(result.present[column])
        bins = len(profile.counts)
        outside = int(result.below[column] + result.above[column])
        return NumericDrift(
            name=profile.name,
            rows=present,
            missing_share=int(result.missing[column]) / max(result.rows, 1),
            out_of_range_share=outside / present if present and profile.rows else None,
            mean=float(result.mean[column]) if present else None,
            edges=profile.edges,
            counts=tuple(result.counts[column, :bins].tolist()),
            expected=tuple(self._numbers.shares[column, :bins].tolist()),
            **found.of(column),
        )

    def _category(self, result: SketchResult, column: int, found: _Statistics) -> CategoricalDrift:
        profile, bins = self._categorical[column], len(self._categorical[column].levels)
        present = result.rows - int(result.level_missing[column])
        values = found.of(column)
        return CategoricalDrift(
            name=profile.name,
            rows=present,
            missing_share=int(result.level_missing[column]) / max(result.rows, 1),
            unseen_share=int(result.unseen[column]) / present if present else None,
            psi=values["psi"],
            js=values["js"],
            chi_square=values["chi_square"],
            levels=profile.levels,
            counts=tuple(result.levels[column, :bins].tolist()),
            expected=tuple(self._levels.shares[column, :bins].tolist()),
        )


def _bin_means(reference: Reference) -> Float64:
    means: Float64 = np.zeros((len(reference.columns), FINE))
    measure = reference.measure
    for column, profile in enumerate(reference.columns):
        counts = np.maximum(profile.counts, 1)
        means[column, : len(counts)] = measure.centre[column] + measure.step[column] * (profile.sums / counts)
    return means
