"""The events of performance, and when a window's labels are spoken of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.drift_detection.domain.performance.estimate import ScoreBins, estimate
from services.drift_detection.domain.performance.measure import Waiting, measure
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.definition import ModelDefinition
from shared.events import PerformanceEstimated, PerformanceMeasured, stable_id
from shared.reference import Reference, Sketch
from shared.reference.panes import MICROSECONDS, moment

UNKNOWN = "the reference has no calibration: it was built without labels, with too few, or with several scores"
CONFIDENCE_BINS = 10
STAGES = (0.25, 0.5, 1.0, 2.0, 3.0)  # of the expected delay
SETTLED = 3  # stages: the expected delay is over


@dataclass(frozen=True)
class Span:
    """Which window: times in microseconds since 1970 UTC."""

    model: str
    window_id: str
    digest: str
    role: str
    start: int
    end: int

    def content(self, kind: str, revision: int) -> dict[str, Any]:
        """What all events of a window say."""
        return {
            "id": stable_id(self.window_id, kind, revision),
            "time": moment(self.end),
            "model": self.model,
            "window_id": self.window_id,
            "revision": revision,
            "digest": self.digest,
            "role": self.role,
            "start": moment(self.start),
            "end": moment(self.end),
        }


@dataclass(frozen=True)
class Schedule:
    """A window's labels are spoken of at most five times: when the labels' clock has passed its end by the allowed
    lateness and 1/4, 1/2, 1, 2 and 3 times the expected delay. The last word is final: later labels are counted as too
    late, and the window is let go of, so that memory is bounded by three delays of windows. Times are microseconds.
    """

    delay: int
    lateness: int

    @classmethod
    def of(cls, definition: ModelDefinition) -> "Schedule":
        """That of a model."""
        delay = int(definition.label.expected_delay_hours * 3600 * MICROSECONDS)
        return cls(delay, definition.monitoring.lateness_seconds * MICROSECONDS)

    def stage(self, since_end: int) -> int:
        """How many of the five are due, so long after the window's end."""
        return sum(since_end >= self.lateness + share * self.delay for share in STAGES)

    def is_final(self, since_end: int) -> bool:
        """Whether the window takes no more labels."""
        return self.stage(since_end) == len(STAGES)


def performance_estimated(span: Span, revision: int, reference: Reference, sketch: Sketch) -> PerformanceEstimated:
    """What a window's scores tell; its revision is the window's own."""
    bins = ScoreBins.of(sketch)
    binary = reference.calibration is not None and reference.calibration.kind == "binary"
    return PerformanceEstimated(
        **span.content("PerformanceEstimated", revision),
        reference_digest=reference.digest,
        rows=int(bins.counts.sum()),
        outside=int(sketch.outside[:, -1].sum()),
        metrics=estimate(reference, bins),
        confidence=tuple(_confidence(reference, bins)) if binary else (),
        not_assessed=UNKNOWN if reference.calibration is None else None,
    )


def _confidence(reference: Reference, bins: ScoreBins) -> Sequence[int]:
    occupied = bins.counts > 0
    measure = reference.score_measure
    scores = measure.centre[0] + measure.step[0] * bins.sums[occupied] / bins.counts[occupied]
    sure = np.clip(np.maximum(scores, 1 - scores), 0.5, 1)
    place = np.minimum((sure - 0.5) * 2 * CONFIDENCE_BINS, CONFIDENCE_BINS - 1).astype(np.int64)
    counts = np.zeros(CONFIDENCE_BINS, np.int64)
    np.add.at(counts, place, bins.counts[occupied])
    found: list[int] = counts.tolist()
    return found


@dataclass(frozen=True)
class Asked:
    """The `revision` of the word, the labels' clock `as_of` in microseconds, and what is waited for."""

    revision: int
    as_of: int
    final: bool
    waiting: Waiting


def performance_measured(span: Span, scorer: Scorer, window: WindowOutcomes, asked: Asked) -> PerformanceMeasured:
    """What a window's labels tell so far."""
    found = measure(scorer, window, asked.waiting)
    return PerformanceMeasured(
        **span.content("PerformanceMeasured", asked.revision),
        reference_digest=scorer.reference.digest,
        as_of=moment(asked.as_of),
        final=asked.final,
        rows=asked.waiting.predicted,
        labelled=found.labelled,
        expected_share=asked.waiting.expected_share,
        corrections=window.corrections,
        unfit=window.unfit,
        capped=window.capped,
        metrics=found.metrics,
        calibration=found.calibration,
        business=found.business,
    )
