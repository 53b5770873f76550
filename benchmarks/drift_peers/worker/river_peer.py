"""river's ADWIN and Page-Hinkley with their defaults: one for each numeric feature, fed row by row.

Neither knows a reference: each first reads the last WARM rows of it. A window is flagged where one of its rows is.
"""

from collections.abc import Callable, Iterator

import numpy as np
from block import Block
from river import __version__
from river.base import DriftDetector
from river.drift import ADWIN, PageHinkley

WARM = 10_000


class ByRow:
    """Detectors of one kind, one for each numeric feature."""

    version = __version__

    def __init__(self, make: Callable[[], DriftDetector], reference: Block) -> None:
        self._make = make
        self._before = reference.numeric[-WARM:]

    def watch(self, windows: list[Block]) -> Iterator[list[int]]:
        """The flagged columns of each window; what was learned before is forgotten."""
        detectors = [self._make() for _ in range(self._before.shape[1])]
        self._step(detectors, self._before)
        for window in windows:
            yield self._step(detectors, window.numeric)

    def _step(self, detectors: list[DriftDetector], rows: np.ndarray) -> list[int]:
        return [place for place, detector in enumerate(detectors) if _seen(detector, rows[:, place])]


def _seen(detector: DriftDetector, column: np.ndarray) -> bool:
    seen = False
    for value in column[~np.isnan(column)].tolist():
        detector.update(value)
        seen |= detector.drift_detected
    return seen


class Adwin(ByRow):
    """ADWIN, delta 0.002."""

    def __init__(self, reference: Block, _first: Block, _features: int) -> None:
        super().__init__(ADWIN, reference)


class Page(ByRow):
    """Page-Hinkley, threshold 50, delta 0.005."""

    def __init__(self, reference: Block, _first: Block, _features: int) -> None:
        super().__init__(PageHinkley, reference)
