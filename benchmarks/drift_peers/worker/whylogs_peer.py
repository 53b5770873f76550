"""whylogs' drift scores of two profiles with their defaults: Kolmogorov-Smirnov or chi-square, DRIFT at p < 0.05."""

from collections.abc import Iterator

import whylogs
from block import Block
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


class Profiles:
    """Its category DRIFT."""

    version = whylogs.__version__

    def __init__(self, reference: Block, _first: Block, _features: int) -> None:
        self._reference = whylogs.log(reference.frame()).view()

    def watch(self, windows: list[Block]) -> Iterator[list[int]]:
        """The flagged columns of each window."""
        for window in windows:
            found = calculate_drift_scores(whylogs.log(window.frame()).view(), self._reference, with_thresholds=True)
            yield [place for place, name in enumerate(window.names) if _drifted(found.get(name))]


def _drifted(score: dict | None) -> bool:
    return score is not None and score["drift_category"] == "DRIFT"
