"""What is said of rows that came too late: by window and role, so that nothing is silently lost.

It is an event of its own for each message, not a field of a window's last word: the window may be forgotten by then. An
event depends on the message's place alone, so it needs no state, and comes again under the same id after a crash. Rows
that came after the end that other partitions gave a window (`resting.py`) are told by the models' side.
"""

from typing import cast

import numpy as np

from services.drift_detection.domain.clock import EARLIEST
from services.drift_detection.domain.resting import Missed
from services.drift_detection.domain.source.parts import Taken, WindowKey
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.source.words import PartWord
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import window_id
from shared.batch import PredictionBatch, Role
from shared.events import MissedWindow, RowsTooLate, stable_id
from shared.reference.panes import microseconds, moment, pane_starts

MOST_WINDOWS = 1_000  # in one event: a message may hold rows of any number of days


def rows_too_late(place: Place, batch: PredictionBatch, watched: Watched, taken: Taken) -> list[RowsTooLate]:
    """The events that tell of a message's rows; none if all came in time. Times before 1900 count as 1900."""
    if not taken.tally.too_late:
        return []
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


def rows_after_end(word: PartWord, watched: Watched, missed: Missed, watermark: int | None) -> RowsTooLate:
    """The event that tells of rows of a partition that was at rest, whose window is final."""
    key, offset = word.key, word.part.offset
    return RowsTooLate(
        id=stable_id(key.digest, key.role, "RowsTooLate", word.partition, offset, f"after the end {key.start}"),
        time=moment(key.start + watched.pane if watermark is None else watermark),
        model=word.model,
        digest=key.digest,
        role=cast(Role, key.role),
        partition=word.partition,
        offset=offset,
        after=missed.after,
        part=0,
        windows=(MissedWindow(window_id=window_id(key, watched.pane), start=moment(key.start), rows=missed.rows),),
    )
