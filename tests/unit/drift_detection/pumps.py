"""A model with natural hours: its reference, and messages of predictions."""

import json
import os
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.watched import Watched
from shared.batch import Meta, PredictionBatch, Role
from shared.definition import ModelDefinition, parse_definition
from shared.features import Rows
from shared.reference import Reference, build_reference

DIGEST = "a" * 64
HOUR = 3_600_000_000
ROWS_PER_HOUR = 30
SITES = ("north", "south")
START = np.datetime64("2026-03-01T00:00:00", "us")
DEFINITION = """
name = "{name}"
owner = "tests"
features = [
    {{ name = "temp", kind = "numeric" }},
    {{ name = "flow", kind = "numeric" }},
    {{ name = "site", kind = "categorical" }},
]
label = {{ name = "fails", kind = "binary", expected_delay_hours = 1 }}
monitoring = {{ pane_seconds = 3600, time_zone = "Europe/Zurich" }}
"""


@cache
def definition(name: str = "pumps") -> ModelDefinition:
    """Two numeric features, one categorical."""
    return parse_definition(DEFINITION.format(name=name))


def hours(first: int, count: int) -> tuple[NDArray[np.datetime64], Rows, NDArray[np.float32]]:
    """Event times, rows and scores of so many hours after START: `temp` swings slowly, as weather does."""
    times, numeric, codes = [], [], []
    for hour in range(first, first + count):
        random = np.random.default_rng(10_000 + hour)
        levels = random.normal([50 + 8 * np.sin(hour / 24), 5], [0.5, 0.3])
        numeric.append(random.normal(levels, [1, 0.2], (ROWS_PER_HOUR, 2)))
        codes.append(random.integers(0, 2, (ROWS_PER_HOUR, 1)))
        times.append(hour * HOUR + np.sort(random.integers(0, HOUR, ROWS_PER_HOUR)))
    rows = Rows(np.concatenate(numeric).astype(np.float32), np.concatenate(codes).astype(np.int32))
    offsets = np.concatenate(times).astype("timedelta64[us]")
    return START + offsets, rows, (rows.numeric[:, :1] / 100).astype(np.float32)


@cache
def reference(name: str = "pumps") -> Reference:
    """Built from the 20 days before START."""
    times, rows, scores = hours(-480, 480)
    return build_reference(rows, times, scores, definition(name), {"site": SITES})


@cache
def watched(digest: str = DIGEST) -> Watched:
    """The model's bundle as drift detection sees it."""
    return Watched(digest, definition(), reference())


def definition_with(segments: tuple[str, ...] = (), scales: tuple[int, ...] = (), every_rows: int = 0) -> str:
    """The TOML of the same model with windows of segments, and coarser ones."""
    told = f"segments = {json.dumps(segments)}, scales = {json.dumps(scales)}, every_rows = {every_rows}"
    return DEFINITION.format(name="pumps").replace("monitoring = {", f"monitoring = {{ {told},")


@cache
def watched_with(
    segments: tuple[str, ...] = (), scales: tuple[int, ...] = (), every_rows: int = 0, digest: str = DIGEST
) -> Watched:
    """That model's bundle."""
    told = parse_definition(definition_with(segments, scales, every_rows))
    times, rows, scores = hours(-480, 480)
    return Watched(digest, told, build_reference(rows, times, scores, told, {"site": SITES}))


def fitted(message: PredictionBatch, bundle: Watched) -> PredictionBatch:
    """The message as a producer of this bundle sends it."""
    return replace(message, meta=replace(message.meta, definition_digest=bundle.definition.digest))


def batch(
    digest: str,
    times: NDArray[np.datetime64],
    rows: Rows,
    scores: NDArray[np.float32],
    *,
    role: Role = "champion",
    repeat: bool = False,
    name: str = "pumps",
) -> PredictionBatch:
    """A message of these rows."""
    count = len(rows)
    meta = Meta(name, digest, definition(name).digest, role, "tests", 0, count)
    return PredictionBatch(
        meta=meta,
        request_id=[os.urandom(16) for _ in range(count)],
        row=np.zeros(count, np.int32),
        entity=[None] * count,
        event_time=times,
        repeat=np.full(count, repeat),
        rows=rows,
        scores=scores,
        latency_us=np.ones(count, np.int32),
    )


def batches(
    digest: str, times: NDArray[np.datetime64], rows: Rows, scores: NDArray[np.float32], size: int
) -> list[PredictionBatch]:
    """Messages of `size` of these rows each, in their order."""
    parts = [slice(first, first + size) for first in range(0, len(times), size)]
    return [batch(digest, times[part], rows[part], scores[part]) for part in parts]
