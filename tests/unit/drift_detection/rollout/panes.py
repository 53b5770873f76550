"""Panes of two versions, written by hand."""

from collections.abc import Sequence

import numpy as np

from services.drift_detection.domain.rollout.comparison import Pane
from services.drift_detection.domain.rollout.sums import GRID, PLACE, Sums
from shared.reference.panes import MICROSECONDS
from shared.rollout import Metric
from shared.subjects import GROUPS

MINUTE = 60 * MICROSECONDS


def sums(metric: Metric, values: Sequence[float] | np.ndarray, seed: int = 0) -> Sums:
    """Of these values in [0, 1], each of a subject of its own."""
    made = Sums.empty()
    made.answered = len(values)
    places = np.rint(np.asarray(values, dtype=np.float64) * GRID).astype(np.int64)
    made.add(PLACE[metric], np.random.default_rng(seed).integers(0, GROUPS, len(values)), places)
    return made


def noisy(metric: Metric, count: int, mean: tuple[float, float]) -> list[Pane]:
    """So many panes, by the mean of version and champion."""
    random, rows = np.random.default_rng(5), (20, 80)

    def side(place: int, number: int) -> Sums:
        return sums(metric, np.clip(random.normal(mean[place], 0.1, rows[place]), 0, 1), 2 * number + place)

    return [Pane(number * MINUTE, side(0, number), side(1, number)) for number in range(count)]
