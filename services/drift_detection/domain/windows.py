"""Windows: the partitions' parts merged, and the event that shows one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.drift_detection.domain.partition import Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from shared.events import WindowClosed, WindowRevised, stable_id
from shared.reference import Sketch
from shared.reference.panes import MICROSECONDS, moment


@dataclass(frozen=True)
class Merged:
    """All that is known of a window."""

    key: WindowKey
    watched: Watched
    sketch: Sketch
    repeats: int
    late_rows: int

    @property
    def end(self) -> int:
        """Where it ends, in microseconds."""
        return self.key.start + self.watched.pane

    @property
    def fingerprint(self) -> str:
        """Equal for equal content."""
        counts = f"{self.repeats} {self.late_rows} ".encode()
        return hashlib.sha256(counts + self.sketch.to_bytes()).hexdigest()[:32]


def merge(key: WindowKey, partials: Iterable[Partial], watched: Watched) -> Merged:
    """A window from the parts of all partitions, in any order."""
    parts = list(partials)
    sketch = watched.reference.empty_sketch()
    for part in parts:
        sketch.merge(part.sketch)
    return Merged(key, watched, sketch, sum(part.repeats for part in parts), sum(part.late_rows for part in parts))


def window_id(key: WindowKey, pane: int) -> str:
    """The id of a window, from what it is alone."""
    return stable_id(key.digest, key.role, key.segment, moment(key.start).isoformat(), pane // MICROSECONDS)


def window_event(window: Merged, revision: int) -> WindowClosed | WindowRevised:
    """The first word on a window, or a later one."""
    kind = WindowRevised if revision else WindowClosed
    key, watched = window.key, window.watched
    identity = window_id(key, watched.pane)
    numeric, categorical, scores = watched.describe(window.sketch.result(watched.reference.measure))
    content: dict[str, Any] = {
        "id": stable_id(identity, kind.__name__, revision),
        "time": moment(window.end),
        "model": watched.model,
        "window_id": identity,
        "revision": revision,
        "digest": key.digest,
        "reference_digest": watched.reference.digest,
        "role": key.role,
        "start": moment(key.start),
        "end": moment(window.end),
        "rows": window.sketch.rows,
        "repeats": window.repeats,
        "late_rows": window.late_rows,
        "numeric": numeric,
        "categorical": categorical,
        "scores": scores,
    }
    return kind(**content)
