"""Models whose truth is known: references with a calibration, windows of scores and labels, and messages of them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.performance.outcomes import Scorer
from shared.batch import Meta
from shared.definition import Feature, Label, LabelKind, ModelDefinition
from shared.features import Float32, Rows
from shared.outcomes import OutcomeBatch
from shared.reference import Reference, build_reference

Float64 = NDArray[np.float64]
START = np.datetime64("2026-03-01T00:00:00", "us")
HOUR = 3_600_000_000
ROWS = 10_000


def definition(kind: LabelKind) -> ModelDefinition:
    """One numeric feature."""
    label = Label(name="y", kind=kind, expected_delay_hours=12)
    return ModelDefinition(name="pumps", owner="tests", features=(Feature(name="x", kind="numeric"),), label=label)


def rows(kind: LabelKind, count: int, random: np.random.Generator, shift: float = 0) -> tuple[Float32, Float64]:
    """Scores float32 [n, 1] and labels float64 [n]; `shift` moves what goes in, not what a score means.

    Binary: an overconfident probability. Regression: a prediction that is off where it is high, and errs more there.
    """
    x = random.normal(shift, 1, count)
    if kind == "binary":
        scores = 1 / (1 + np.exp(-(1.5 * x - 1)))
        labels = (random.random(count) < 1 / (1 + np.exp(-(x - 1)))).astype(np.float64)
    else:
        scores = 10 + 3 * x + 0.2 * x**2
        labels = 10 + 3 * x + random.normal(0, 1 + 0.5 * np.abs(x))
    return scores[:, None].astype(np.float32), labels


def bare(count: int) -> Rows:
    """Rows of whose feature nothing matters."""
    return Rows(np.zeros((count, 1), np.float32), np.zeros((count, 0), np.int32))


def rare_rows(kind: LabelKind, count: int, random: np.random.Generator) -> tuple[Float32, Float64]:
    """Of which few decide what the model costs: a class of one row in 110, or errors that are log-normal."""
    x = random.normal(0, 1, count)
    scores = 1 / (1 + np.exp(5.3 - 1.2 * x)) if kind == "binary" else np.exp(x)
    labels = (random.random(count) < scores) if kind == "binary" else scores * np.exp(0.5 * random.normal(0, 1, count))
    return scores[:, None].astype(np.float32), labels.astype(np.float64)


@cache
def scorer(kind: LabelKind, seed: int = 1) -> Scorer:
    """Of a reference of 10,000 rows."""
    return _scorer(kind, rows(kind, ROWS, np.random.default_rng(seed)))


@cache
def rare_scorer(kind: LabelKind) -> Scorer:
    """Of a reference of 10,000 rows of which few decide."""
    return _scorer(kind, rare_rows(kind, ROWS, np.random.default_rng(1)))


def _scorer(kind: LabelKind, labelled: tuple[Float32, Float64]) -> Scorer:
    scores, labels = labelled
    times = START + np.arange(ROWS) * np.timedelta64(60, "s")
    reference = build_reference(bare(ROWS), times, scores, definition(kind), {}, labels=labels)
    assert reference.calibration is not None
    return Scorer(reference, reference.calibration)


def reference_of(kind: LabelKind) -> Reference:
    """The same one."""
    return scorer(kind).reference


def outcomes(
    scores: Float32,
    labels: Float64,
    *,
    hours: float | Float64 = 3,
    replaced: float | Float64 = np.nan,
    business: bool = False,
) -> OutcomeBatch:
    """A message of labels that came so many hours after their predictions."""
    count = len(labels)
    times = START + np.arange(count) * np.timedelta64(1, "ms")
    lag = (np.broadcast_to(hours, count) * HOUR).astype("timedelta64[us]")
    return OutcomeBatch(
        meta=Meta("pumps", "a" * 64, "b" * 64, "champion", "driftline.labels/0", 1, count),
        request_id=[bytes(16)] * count,
        row=np.arange(count, dtype=np.int32),
        event_time=times,
        label=labels,
        label_time=times + lag,
        business=np.full(count, business),
        replaced=np.broadcast_to(replaced, count).astype(np.float64),
        scores=scores,
        source_partition=np.zeros(count, np.int32),
        source_offset=np.zeros(count, np.int64),
    )


def everything(batch: OutcomeBatch) -> NDArray[np.bool_]:
    """All of its rows."""
    return np.ones(len(batch), np.bool_)
