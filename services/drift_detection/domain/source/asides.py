"""What a message tells of rows that are in no sketch: those that failed, and those that do not fit their bundle."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from services.drift_detection.domain.clock import FUTURE, earliest, sort_rows
from services.drift_detection.domain.quality.misfit import misfit
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.failures import Failed
from shared.reference.panes import microseconds, pane_starts


class Misfit(Unreadable):
    """A batch does not fit its bundle; `reason` says in a word why."""

    def __init__(self, reason: str, text: str, batch: PredictionBatch, watched: Watched) -> None:
        super().__init__(f"prediction batch: {text}")
        self.reason = reason
        self.batch = batch
        self.watched = watched


def check(batch: PredictionBatch, watched: Watched) -> None:
    """Raises Misfit if the batch does not fit."""
    found = misfit(batch, watched.definition, watched.reference)
    if found is not None:
        raise Misfit(found.reason, found.text, batch, watched)


class RefusedRows(NamedTuple):
    """How many there are in each pane, by its start, and how far they move the model's clock."""

    panes: dict[int, int]
    highest: int | None


def refused_rows(refused: Misfit, clock: int | None, appended: int) -> RefusedRows:
    """Of the batch, as far as they came in time. They move the clock: else a feed of nothing else was never told of."""
    batch, watched = refused.batch, refused.watched
    times = microseconds(batch.event_time)
    rows = sort_rows(times, clock, watched.lateness, appended)
    starts = pane_starts(times[rows.in_time & ~batch.repeat], watched.definition.monitoring.pane_seconds)
    panes, counts = np.unique(starts, return_counts=True)
    return RefusedRows(dict(zip(panes.tolist(), counts.tolist(), strict=True)), rows.highest)


class PlacedFailures(NamedTuple):
    """Failures of one version, in the pane that starts at `start`."""

    start: int
    watched: Watched
    failed: Failed


def placed_failures(
    batch: PredictionBatch, catalogue: Mapping[str, Watched], clock: int | None, appended: int
) -> list[PlacedFailures]:
    """Those that a message tells of, each in the pane of its latest; not those that come too late, and those of
    versions that are not in the catalogue.
    """
    found: list[PlacedFailures] = []
    for failed in batch.meta.failed or ():
        watched = catalogue.get(failed.digest)
        if watched is None or watched.model != batch.meta.model:
            continue
        if earliest(clock, watched.lateness) <= failed.until <= appended + FUTURE:
            start = failed.until // watched.pane * watched.pane
            found.append(PlacedFailures(start, watched, failed))
    return found
