"""A model with independent rows: its reference, windows of it, and their reports."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.quality.arrival import Before
from services.drift_detection.domain.quality.copies import content
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.reports.report import report
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, merge
from shared.definition import Feature, Label, ModelDefinition
from shared.events import DataQualityReported
from shared.features import Rows
from shared.monitoring import Monitoring
from shared.reference import Reference, build_reference

DIGEST = "c" * 64
HOUR = 3_600_000_000
SECOND = 1_000_000
START = 20_000 * 24 * HOUR
ROWS, DAYS = 200, 20
SITES = tuple(f"s{number}" for number in range(8))


def definition() -> ModelDefinition:
    numeric = [
        Feature(name="heat", kind="numeric", min=-20, max=80),
        Feature(name="load", kind="numeric"),
        Feature(name="gaps", kind="numeric"),
    ]
    return ModelDefinition(
        name="simple",
        owner="tests",
        features=(*numeric, Feature(name="site", kind="categorical")),
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=Monitoring(pane_seconds=3600),
    )


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    gaps = np.where(random.random(count) < 0.02, np.nan, random.random(count))
    numeric = np.stack([random.normal(30, 5, count), random.lognormal(0, 1, count), gaps], axis=1)
    return Rows(numeric.astype(np.float32), random.integers(0, len(SITES), (count, 1)).astype(np.int32))


def scores(there: Rows) -> NDArray[np.float32]:
    """Of a model: equal rows have equal ones."""
    mixed = np.nan_to_num(there.numeric).sum(axis=1, keepdims=True) + there.categorical
    found: NDArray[np.float32] = (np.sin(mixed * 10) / 2 + 0.5).astype(np.float32)
    return found


@cache
def reference() -> Reference:
    counts = np.random.default_rng(0).poisson(ROWS, 24 * DAYS)
    times = START + np.repeat(np.arange(24 * DAYS), counts) * HOUR
    total = int(counts.sum())
    stamps = times.astype("datetime64[us]")
    there = rows(total, 1)
    return build_reference(there, stamps, scores(there), definition(), {"site": SITES})


def watched(known: Reference | None = None) -> Watched:
    return Watched(DIGEST, definition(), reference() if known is None else known)


def window(there: Rows, hour: int = 0, *, known: Watched | None = None) -> Merged:
    known = watched() if known is None else known
    sketch = known.reference.empty_sketch()
    sketch.add(there, scores(there), known.reference.measure)
    return merge(WindowKey(START + hour * HOUR, DIGEST, "champion"), [Partial(sketch, 0)], known)


def facts(there: Rows, seconds: float = 2.0) -> Facts:
    found = Facts.empty(there.numeric.shape[1])
    found.add(there.numeric, np.full(len(there), round(seconds * SECOND)), watched().inspector.limits)
    return found


def before(there: Rows, seconds: float = 2.0) -> Before:
    return Before(content(window(there).sketch), facts(there, seconds).lags)


def reported(there: Rows, last: Before | None = None, seconds: float = 2.0, hour: int = 0) -> DataQualityReported:
    return report(window(there, hour), facts(there, seconds), 0, last)


def found(of: DataQualityReported) -> list[tuple[str | None, str]]:
    return [(one.feature, one.kind) for one in of.findings]
