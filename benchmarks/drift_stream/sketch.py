"""The sketch alone, in CPU time, and beside it what a plain implementation with numpy and scipy does."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

from benchmarks.drift_stream.data import REFERENCE_ROWS, numbers, reference, rows
from services.drift_detection.domain import statistics
from services.drift_detection.domain.statistics import Float64
from shared.features import Float32, Rows
from shared.reference import Measure, Sketch
from shared.reference.bins import FINE

ROWS = 10_000
MESSAGE = 256


class Speeds(NamedTuple):
    """Rows per second of CPU: counting 10,000 rows of 55 numbers; messages of 256 rows of 55 + 5 features and a score;
    all seven statistics of 10,000 rows, counted as well; these by scipy; and the ratio of the last two.
    """

    sketch: float
    messages: float
    seven: float
    scipy: float
    ratio: float


def speeds(rounds: int) -> Speeds:
    """Medians over so many rounds, in which all take turns."""
    wide, scores = rows(ROWS, 2)
    ours, plain = Ours(), Plain()
    timed = [
        (
            _seconds(lambda: ours.sketch(wide.numeric), 10),
            _seconds(lambda: _messages(wide, scores), 5),
            _seconds(lambda: ours.seven(wide.numeric), 10),
            _seconds(lambda: plain.seven(wide.numeric), 1),
        )
        for _ in range(rounds)
    ]
    sketch, messages, seven, scipy = (ROWS / median(one) for one in zip(*timed, strict=True))
    ratio = median(theirs / own for _, _, own, theirs in timed)
    return Speeds(sketch, messages, seven, scipy, ratio)


def _seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, of this thread alone: others of numpy's spin for a while after scipy. The first call,
    which finds the cache full of something else, does not count.
    """
    work()
    began = time.thread_time()
    for _ in range(repeats):
        work()
    return (time.thread_time() - began) / repeats


def _messages(wide: Rows, scores: Float32) -> None:
    sketch = reference().empty_sketch()
    for first in range(0, ROWS, MESSAGE):
        part = slice(first, first + MESSAGE)
        sketch.add(wide[part], scores[part], reference().measure)


class Ours:
    """The numeric features alone, without the scores."""

    def __init__(self) -> None:
        profiles = reference().numeric
        self.columns = len(profiles)
        self.measure = Measure(profiles, [])
        self.valid = np.arange(FINE) < np.array([[len(profile.counts)] for profile in profiles])
        self.counts = np.array([np.pad(profile.counts, (0, FINE - len(profile.counts))) for profile in profiles])
        sums = np.array([np.pad(profile.sums, (0, FINE - len(profile.sums))) for profile in profiles])
        means = sums / np.maximum(self.counts, 1)
        self.means = self.measure.centre[:, None] + self.measure.step[:, None] * means

    def sketch(self, block: Float32) -> Sketch:
        """The sketch of a window."""
        sketch = Sketch.empty(self.columns, 0)
        nothing = np.empty((len(block), 0), dtype=np.float32)
        sketch.add(Rows(block, nothing.astype(np.int32)), nothing, self.measure)
        return sketch

    def seven(self, block: Float32) -> list[Float64]:
        """PSI, KS, Jensen-Shannon, chi-square, Wasserstein, share of missing and of out-of-range rows, [55] each."""
        result = self.sketch(block).result(self.measure)
        return [
            statistics.psi(result.counts, self.counts, self.valid),
            statistics.kolmogorov_smirnov(result.counts, self.counts),
            statistics.jensen_shannon(result.counts, self.counts),
            statistics.chi_square(result.counts, self.counts, self.valid),
            statistics.wasserstein(result.counts, result.bin_means, self.counts, self.means),
            result.missing / result.rows,
            (result.below + result.above) / np.maximum(result.present, 1),
        ]


class Plain:
    """What one writes first: feature by feature, the values against those of the reference."""

    def __init__(self) -> None:
        block = numbers(REFERENCE_ROWS, 1)
        self.base = [column[~np.isnan(column)] for column in block.T]
        inner = [np.unique(np.quantile(base, np.arange(1, FINE) / FINE)) for base in self.base]
        self.edges = [np.concatenate([[-np.inf], edges, [np.inf]]) for edges in inner]
        self.counts = [np.histogram(base, edges)[0] for base, edges in zip(self.base, self.edges, strict=True)]
        self.ends = [(base.min(), base.max()) for base in self.base]

    def seven(self, block: Float32) -> list[Float64]:
        """The same statistics, seven for each feature."""
        return [self._of(number, column) for number, column in enumerate(block.T)]

    def _of(self, number: int, column: Float32) -> Float64:
        base, (low, high) = self.base[number], self.ends[number]
        values = column[~np.isnan(column)]
        counts = np.histogram(values, self.edges[number])[0]
        here = (counts + 0.5) / (counts + 0.5).sum()
        there = (self.counts[number] + 0.5) / (self.counts[number] + 0.5).sum()
        distance, *_ = stats.ks_2samp(values, base, method="asymp")
        found = [
            ((here - there) * np.log(here / there)).sum(),
            distance,
            jensenshannon(counts, self.counts[number], 2),
            stats.chisquare(counts, there * counts.sum()).statistic,
            stats.wasserstein_distance(values, base),
            1 - len(values) / len(column),
            ((values < low) | (values > high)).mean(),
        ]
        return np.array(found, dtype=np.float64)
