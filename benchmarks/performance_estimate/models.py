"""Models whose truth is known: what they score, what comes true, and references and windows of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.batch import Meta
from shared.definition import Feature, Label, LabelKind, ModelDefinition
from shared.features import Float32, Rows
from shared.outcomes import OutcomeBatch
from shared.reference import Reference, build_reference

Float64 = NDArray[np.float64]
REFERENCE_ROWS = 20_000
START = np.datetime64("2026-01-01T00:00:00", "us")


@dataclass(frozen=True)
class Model:
    """`shift` moves the input, `drift` what comes true for it; rows of a run of `run` share a part of their luck.

    `rare` makes class 1 rare, or the errors of a regression log-normal: a few rows then decide the mean of a loss.
    """

    kind: LabelKind
    shift: float = 0.0
    drift: float = 0.0
    run: int = 1
    rare: bool = False

    def rows(self, count: int, random: np.random.Generator) -> tuple[Float32, Float64]:
        """Scores float32 [n, 1], labels float64 [n].

        Binary: an overconfident probability. Regression: off where it is high, with errors that grow to both sides.
        """
        x = random.normal(self.shift, 1, count)
        luck = np.zeros(count)
        if self.run > 1:
            luck = np.repeat(random.normal(0, 0.7, -(-count // self.run)), self.run)[:count]
        if self.rare:
            return _rare(self.kind, x, random)
        if self.kind == "binary":
            scores = 1 / (1 + np.exp(-(1.8 * x - 1.2)))
            labels = (random.random(count) < 1 / (1 + np.exp(-(1.2 * x - 1 + self.drift + luck)))).astype(np.float64)
        else:
            scores = 10 + 3 * x + 0.2 * x**2
            labels = 10 + 3 * x + (1 + 0.5 * np.abs(x)) * (random.normal(0, 1, count) * np.exp(self.drift) + luck)
        return scores[:, None].astype(np.float32), labels


def _rare(kind: LabelKind, x: Float64, random: np.random.Generator) -> tuple[Float32, Float64]:
    if kind == "binary":
        scores = 1 / (1 + np.exp(5.3 - 1.2 * x))
        labels = (random.random(len(x)) < scores).astype(np.float64)
    else:
        scores = np.exp(x)
        labels = scores * np.exp(0.5 * random.normal(0, 1, len(x)))
    return scores[:, None].astype(np.float32), labels


def features(count: int) -> Rows:
    """One numeric feature that does not matter."""
    return Rows(np.zeros((count, 1), np.float32), np.zeros((count, 0), np.int32))


def scorer(model: Model, random: np.random.Generator) -> Scorer:
    """Of a reference of 20,000 rows."""
    scores, labels = model.rows(REFERENCE_ROWS, random)
    label = Label(name="y", kind=model.kind, expected_delay_hours=12)
    feature = Feature(name="x", kind="numeric")
    definition = ModelDefinition(name="simulated", owner="benchmark", features=(feature,), label=label)
    times = START + np.arange(REFERENCE_ROWS) * np.timedelta64(60, "s")
    reference = build_reference(features(REFERENCE_ROWS), times, scores, definition, {}, labels=labels)
    return of_reference(reference)


def of_reference(reference: Reference) -> Scorer:
    """Its scorer; it must have a calibration."""
    if reference.calibration is None:
        raise ValueError("the reference has no calibration")
    return Scorer(reference, reference.calibration)


def batch_of(scores: Float32, labels: Float64, hours: Float64 | None = None) -> OutcomeBatch:
    """A champion's rows of one moment, whose labels came so many hours after their predictions (none: at once)."""
    count = len(labels)
    times = np.full(count, START)
    lag = np.zeros(count) if hours is None else hours
    return OutcomeBatch(
        meta=Meta("simulated", "0" * 64, "0" * 64, "champion", "benchmark", 0, count),
        request_id=[bytes(16)] * count,
        row=np.zeros(count, np.int32),
        event_time=times,
        label=labels,
        label_time=times + (lag * 3.6e9).astype("timedelta64[us]"),
        business=np.zeros(count, np.bool_),
        replaced=np.full(count, np.nan),
        scores=scores,
        source_partition=np.zeros(count, np.int32),
        source_offset=np.zeros(count, np.int64),
    )


def window_of(known: Scorer, scores: Float32, labels: Float64, hours: Float64 | None = None) -> WindowOutcomes:
    """A window of such rows."""
    batch, window = batch_of(scores, labels, hours), WindowOutcomes()
    known.add(window, batch, np.ones(len(batch), np.bool_))
    return window
