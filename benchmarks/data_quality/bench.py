"""Reports on windows of one kind against a reference of that kind."""

import numpy as np

from benchmarks.data_quality.stream import (
    CATEGORIES,
    DEFINITION,
    DIGEST,
    FIRST,
    NUMERIC,
    PANE,
    Kind,
    Pane,
    Stream,
    panes,
)
from services.drift_detection.domain.quality.arrival import Before
from services.drift_detection.domain.quality.copies import content
from services.drift_detection.domain.quality.facts import Facts
from services.drift_detection.domain.reports.report import report
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import merge
from shared.events import DataQualityReported
from shared.features import Rows
from shared.reference import Sketch, build_reference
from shared.reference.panes import MICROSECONDS


class Bench:
    """`kind`, and a reference from this seed."""

    def __init__(self, kind: Kind, seed: int) -> None:
        known = list(panes(Stream(kind, seed), kind.days * 24))
        starts = FIRST + PANE * MICROSECONDS * np.repeat(np.arange(len(known)), [len(pane.rows) for pane in known])
        rows = Rows(
            np.concatenate([pane.rows.numeric for pane in known]),
            np.concatenate([pane.rows.categorical for pane in known]),
        )
        scores = np.concatenate([pane.scores for pane in known])
        reference = build_reference(rows, starts.astype("datetime64[us]"), scores, DEFINITION, CATEGORIES)
        self.watched = Watched(DIGEST, DEFINITION, reference)

    def report(self, number: int, pane: Pane, before: Before | None = None) -> DataQualityReported:
        """On the window of this hour."""
        sketch, facts = self._taken(pane)
        key = WindowKey(FIRST + number * PANE * MICROSECONDS, DIGEST, "champion")
        return report(merge(key, [Partial(sketch, 0)], self.watched), facts, 0, before)

    def before(self, pane: Pane) -> Before:
        """What the next window is compared with."""
        sketch, facts = self._taken(pane)
        return Before(content(sketch), facts.lags)

    def _taken(self, pane: Pane) -> tuple[Sketch, Facts]:
        reference = self.watched.reference
        sketch, facts = reference.empty_sketch(), Facts.empty(len(NUMERIC))
        sketch.add(pane.rows, pane.scores, reference.measure)
        facts.add(pane.rows.numeric, pane.lags, self.watched.inspector.limits)
        return sketch, facts
