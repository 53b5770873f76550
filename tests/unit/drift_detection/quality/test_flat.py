import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.quality.counts import Counts
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.quality.flat import FlatColumns
from tests.unit.drift_detection.detector.worlds import World, world


def findings(there: World, values: NDArray[np.float64]) -> list[tuple[str | None, str]]:
    clumps = there.reference.clumps
    assert clumps is not None
    window = Counts(there.sketch({"share": values}), Facts.empty(1))
    return [(one.feature, one.kind) for one in FlatColumns(there.reference, clumps).find(window, 1e-6)]


def test_values_that_a_rare_sentinel_squeezes_into_one_step_of_the_grid_are_not_flat_unless_they_are() -> None:
    random = np.random.default_rng(1)
    values = np.where(np.arange(24_000) % 300, random.uniform(0, 100, 24_000), 999_999_999)
    there = world({"share": values}, rows_per_pane=100)
    assert there.reference.measure.step[0] > 100
    assert findings(there, random.uniform(0, 100, 100)) == []
    assert findings(there, np.full(100, 40.0)) == [("share", "flat")]
