"""What is said of rows that came too late: by window and role, so that nothing is silently lost.

It is an event of its own for each message, not a field of a window's last word: the window may be forgotten by then. An
event depends on the message's place alone, so it needs no state, and comes again under the same id after a crash.
"""

import numpy as np

from services.drift_detection.domain.clock import EARLIEST
from services.drift_detection.domain.parts import Taken, WindowKey
from services.drift_detection.domain.sources import Place
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import window_id
from shared.batch import PredictionBatch
from shared.events import MissedWindow, RowsTooLate, stable_id
from shared.reference.panes import microseconds, moment, pane_starts

MOST_WINDOWS = 1_000  # in one event: a message may hold rows of any number of days


def rows_too_late(place: Place, batch: PredictionBatch, watched: Watched, taken: Taken) -> list[RowsTooLate]:
    """The events that tell of a message's rows; none if all came in time. Times before 1900 count as 1900."""
    times = np.maximum(microseconds(batch.event_time)[taken.too_late], EARLIEST)
    starts = pane_starts(times, watched.definition.monitoring.pane_seconds)
    windows = [
        MissedWindow(
            window_id=window_id(WindowKey(start, watched.digest, batch.meta.role), watched.pane),
            start=moment(start),
            rows=rows,
        )
        for start, rows in zip(*(found.tolist() for found in np.unique(starts, return_counts=True)), strict=True)
    ]
    told = [windows[first : first + MOST_WINDOWS] for first in range(0, len(windows), MOST_WINDOWS)]
    return [_event(place, batch, taken, part, missed) for part, missed in enumerate(told)]


def _event(place: Place, batch: PredictionBatch, taken: Taken, part: int, missed: list[MissedWindow]) -> RowsTooLate:
    time = moment(EARLIEST if taken.highest is None else taken.highest)
    where = (place.partition, place.offset, part, time.isoformat())
    return RowsTooLate(
        id=stable_id(batch.meta.digest, batch.meta.role, "RowsTooLate", *where),
        time=time,
        model=batch.meta.model,
        digest=batch.meta.digest,
        role=batch.meta.role,
        partition=place.partition,
        offset=place.offset,
        part=part,
        windows=tuple(missed),
    )
