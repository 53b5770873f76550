"""A window as the checks look at it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.drift_detection.domain.quality.facts import Facts
from shared.reference import Sketch
from shared.reference.panes import Int64


@dataclass(frozen=True)
class Counts:
    """Its sketch, and what is counted beside."""

    sketch: Sketch
    facts: Facts

    @cached_property
    def present(self) -> Int64:
        """Rows that are not missing, of each numeric column, scores included: int64 [N]."""
        present: Int64 = self.sketch.counts[:, 1:].sum(axis=1)
        return present

    @cached_property
    def level_present(self) -> Int64:
        """Rows that are not missing, of each categorical column: int64 [C]."""
        present: Int64 = self.sketch.levels[:, 1:].sum(axis=1)
        return present

    @cached_property
    def rows_of_numeric(self) -> Int64:
        """All rows, once for each numeric column: int64 [N]."""
        return np.full(len(self.sketch.counts), self.sketch.rows)

    @cached_property
    def rows_of_levels(self) -> Int64:
        """All rows, once for each categorical column: int64 [C]."""
        return np.full(len(self.sketch.levels), self.sketch.rows)
