"""Late rows that make a drift larger than it was said to be."""

from functools import cache

import numpy as np
import pytest

from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, merge
from shared.definition import Feature, Label, ModelDefinition
from shared.events import DriftDetected
from shared.features import Float32, Rows
from shared.monitoring import Monitoring
from shared.reference import build_reference
from tests.unit.drift_detection.pumps import DIGEST, START
from tests.unit.drift_detection.test_watch import deployed

FIRST = int(START.astype(np.int64))
ROWS = 20_000


@cache
def known() -> Watched:
    """One feature of standard normal numbers, 1,000 an hour."""
    definition = ModelDefinition(
        name="pumps",
        owner="tests",
        features=(Feature(name="x", kind="numeric"),),
        label=Label(name="fails", kind="binary", expected_delay_hours=1),
        monitoring=Monitoring(pane_seconds=3600),
    )
    times = START - np.arange(ROWS)[::-1] * np.timedelta64(3_600_000, "us")
    numbers = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
    return Watched(DIGEST, definition, build_reference(rows(numbers), times, numbers[:, 1:], definition, {}))


def rows(numbers: Float32) -> Rows:
    return Rows(numbers[:, :1], np.empty((len(numbers), 0), np.int32))


def window(late: int) -> Merged:
    """Of the first hour: 1,000 rows a quarter of a deviation off, and so many that are far away."""
    numbers = np.random.default_rng(2).normal(size=(1000 + late, 2)).astype(np.float32)
    numbers[:1000, 0] += 0.3
    numbers[1000:, 0] += 6
    sketch = known().reference.empty_sketch()
    sketch.add(rows(numbers), numbers[:, 1:], known().reference.measure)
    return merge(WindowKey(FIRST, DIGEST, "champion"), [Partial(sketch, 0)], known())


def publish(watch: ModelWatch, *windows: Merged) -> list[DriftDetected]:
    for one in windows:
        watch.publish(one)
        watch.judge()
    return [event for event in watch.outbox if isinstance(event, DriftDetected)]


@pytest.mark.parametrize("restart", [False, True])
def test_late_rows_may_make_a_drift_larger_which_is_said_once(restart: bool) -> None:
    watch = ModelWatch(ModelRecord(model="pumps"))
    [first] = publish(watch, window(0))
    if restart:
        watch = ModelWatch(ModelRecord.model_validate_json(watch.store().model_dump_json()))
        watch.sent(len(watch.outbox))
    last = publish(watch, window(0), window(3_000), window(3_000))[-1]
    assert (first.severity, first.revision, last.severity, last.revision) == ("minor", 0, "major", 1)
    assert last.incident_id == first.incident_id
    assert len([event for event in watch.outbox if isinstance(event, DriftDetected)]) == (1 if restart else 2)


def test_late_rows_open_nothing_again_that_has_ended() -> None:
    watch = ModelWatch(ModelRecord(model="pumps"))
    watch.deployed(deployed(DIGEST, 1))
    publish(watch, window(0))
    watch.deployed(deployed("b" * 64, 2))
    watch.deployed(deployed(DIGEST, 3))
    assert len(publish(watch, window(3_000))) == 1
    assert [one.state for one in watch.record.incidents] == ["resolved"]
