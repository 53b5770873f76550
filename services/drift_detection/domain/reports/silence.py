"""A feed that is silent: empty windows where the reference has rows."""

from typing import NamedTuple

from services.drift_detection.domain.quality.inspector import LEVEL
from services.drift_detection.domain.quality.volume import silent_after
from services.drift_detection.domain.watched import Watched
from shared.events import DataQualityReported, stable_id
from shared.events.quality import Finding
from shared.reference.panes import DAY, MICROSECONDS, moment

LONGEST = 7 * DAY * MICROSECONDS  # rows are expected, and a silence is told, up to here


class Gap(NamedTuple):
    """Empty windows from `start` up to `end`."""

    start: int
    end: int


def least_silent(gap: Gap, watched: Watched, share: float) -> Gap | None:
    """The part of a gap after which it was more than chance; None if it is not."""
    panes = range(gap.start, min(gap.end, gap.start + LONGEST), watched.pane)
    number = silent_after(watched.reference, panes, share, watched.inspector.level)
    return None if number is None else Gap(gap.start, gap.start + number * watched.pane)


def told_part(gap: Gap, least: Gap) -> Gap:
    """What is told of a silence that goes on: whenever it is twice as long, so that a long one is not told a thousand
    times, and what is told depends on its length alone.
    """
    length, first = min(gap.end - gap.start, LONGEST), least.end - least.start
    doublings = max(length // first, 1).bit_length() - 1
    return Gap(gap.start, gap.start + (first << doublings))


def quiet_until(last_row: int, appended: int, newest: int, patience: int) -> int:
    """Up to which event time a model is known to be silent, by the log's own clock.

    `last_row` is its highest event time, `appended` the LogAppendTime of its last message and `newest` that of the
    last message of any model; `patience` is how late its rows may come. A replay of long ago, whose rows come years
    late, is never called silent by this.
    """
    return last_row + (newest - appended) - patience


def expected_in(gap: Gap, watched: Watched, share: float) -> float:
    """Rows that a silence should have had, of its first week; 0 without a volume."""
    reference, volume = watched.reference, watched.reference.volume
    panes = range(gap.start, min(gap.end, gap.start + LONGEST), watched.pane)
    if volume is None:
        return 0.0
    return share * sum(volume.expect(pane, reference.time_zone, reference.pane_seconds)[0] for pane in panes)


def silence(gap: Gap, expected: float | None, revision: int, digest: str, watched: Watched) -> DataQualityReported:
    """The report on it; without an `expected` number it takes the one before back, since rows came late."""
    identity = stable_id(digest, "champion", "silence", moment(gap.start).isoformat(), watched.pane // MICROSECONDS)
    return DataQualityReported(
        id=stable_id(identity, DataQualityReported.__name__, revision),
        time=moment(gap.end),
        model=watched.model,
        window_id=identity,
        revision=revision,
        digest=digest,
        reference_digest=watched.reference.digest,
        role="champion",
        start=moment(gap.start),
        end=moment(gap.end),
        rows=0,
        repeats=0,
        late_rows=0,
        expected_rows=expected,
        low_rows=None,
        high_rows=None,
        arrival=None,
        misfits=(),
        columns=(),
        checks=1,
        level=LEVEL,
        not_assessed=(),
        findings=() if expected is None else (_finding(expected),),
    )


def _finding(expected: float) -> Finding:
    return Finding(feature=None, kind="silent", value=0, expected=expected, low=1, high=None, severity="major")
