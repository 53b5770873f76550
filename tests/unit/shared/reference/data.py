"""Rows with every trait a profile must hold: skew, ties, missing values, rare levels, several days of panes."""

import numpy as np
from numpy.typing import NDArray

from shared.definition import Feature, Label, ModelDefinition
from shared.features import Float32, Rows
from shared.monitoring import Monitoring

CATEGORIES = {"carrier": tuple(f"c{number}" for number in range(60))}


def definition(pane_seconds: int = 3600, time_zone: str = "America/New_York") -> ModelDefinition:
    numeric = [Feature(name=name, kind="numeric") for name in ("normal", "skewed", "steps", "constant")]
    return ModelDefinition(
        name="example",
        owner="tests",
        features=(*numeric, Feature(name="carrier", kind="categorical")),
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=Monitoring(pane_seconds=pane_seconds, time_zone=time_zone),
    )


def make_rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    numeric = np.column_stack(
        [
            random.normal(10, 2, count),
            random.lognormal(0, 2, count),
            random.integers(0, 4, count),
            np.full(count, 7.0),
        ]
    ).astype(np.float32)
    numeric[random.random(count) < 0.05, 0] = np.nan
    codes = np.minimum(random.geometric(0.08, count) - 1, 59).astype(np.int32)
    codes[random.random(count) < 0.02] = -2
    return Rows(numeric, codes[:, None])


def make_times(count: int, days: float = 20) -> NDArray[np.datetime64]:
    """Evenly spread from 1 March 2026, 00:00 UTC."""
    start = np.datetime64("2026-03-01T00:00:00", "us")
    offsets = (np.arange(count) * days * 86_400e6 / count).astype(np.int64)
    times: NDArray[np.datetime64] = start + offsets.astype("timedelta64[us]")
    return times


def make_scores(count: int, seed: int) -> Float32:
    return np.random.default_rng(seed).random((count, 1)).astype(np.float32)
