"""Windows: the partitions' parts merged, and the event that shows one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.drift_detection.domain.describe import Described
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from shared.events import CategoricalDrift, NumericDrift, WindowClosed, WindowRevised, stable_id
from shared.reference import Sketch
from shared.reference.panes import MICROSECONDS, moment

MOST_HISTOGRAMS = 500
Numbers = tuple[NumericDrift, ...]
Levels = tuple[CategoricalDrift, ...]


class Span(NamedTuple):
    """Of a window coarser than a pane: its end in microseconds, and its `seconds` or how many `rows` it needs."""

    end: int
    seconds: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Merged:
    """All that is known of a window; `span` is None for a pane. `watched` is what its segment is measured against."""

    key: WindowKey
    watched: Watched
    sketch: Sketch
    repeats: int
    late_rows: int
    span: Span | None = None

    @property
    def end(self) -> int:
        """Where it ends, in microseconds."""
        return self.span.end if self.span else self.key.start + self.watched.pane

    @property
    def identity(self) -> str:
        """Its id, from what it is alone."""
        if self.span is None:
            return window_id(self.key, self.watched.pane)
        if self.span.seconds is not None:
            return window_id(self.key, self.span.seconds * MICROSECONDS)
        key = self.key
        return stable_id(key.digest, key.role, key.segment, moment(key.start).isoformat(), f"{self.span.rows} rows")

    @property
    def fingerprint(self) -> str:
        """Equal for equal content."""
        counts = f"{self.repeats} {self.late_rows} ".encode()
        return hashlib.sha256(counts + self.sketch.content()).hexdigest()[:32]


def merge(key: WindowKey, partials: Iterable[Partial], watched: Watched) -> Merged:
    """A window from the parts of all partitions, in any order; `watched` is its bundle, whatever its segment."""
    parts = list(partials)
    sketch = watched.reference.empty_sketch()
    for part in parts:
        sketch.merge(part.sketch)
    return Merged(
        key, watched.of(key.segment), sketch, sum(part.repeats for part in parts), sum(part.late_rows for part in parts)
    )


def window_id(key: WindowKey, size: int) -> str:
    """The id of a window of a fixed size in microseconds, from what it is alone."""
    return stable_id(key.digest, key.role, key.segment, moment(key.start).isoformat(), size // MICROSECONDS)


def shown(numeric: Numbers, categorical: Levels, scores: Numbers) -> Described:
    """Of very many columns without what is for pictures alone: a window must fit into a message."""
    if len(numeric) + len(categorical) + len(scores) <= MOST_HISTOGRAMS:
        return numeric, categorical, scores
    plain = tuple(one.model_copy(update={"edges": (), "counts": (), "expected": ()}) for one in numeric)
    levels = tuple(one.model_copy(update={"levels": (), "counts": (), "expected": ()}) for one in categorical)
    return plain, levels, scores


def window_event(window: Merged, revision: int) -> WindowClosed | WindowRevised:
    """The first word on a window, or a later one."""
    kind = WindowRevised if revision else WindowClosed
    watched, span = window.watched, window.span or Span(window.end)
    numeric, categorical, scores = shown(*watched.describe(window.sketch.result(watched.reference.measure)))
    return kind(
        **about(window, window.identity, kind.__name__, revision),
        segment=window.key.segment,
        scale_seconds=span.seconds,
        scale_rows=span.rows,
        numeric=numeric,
        categorical=categorical,
        scores=scores,
    )


def about(window: Merged, identity: str, kind: str, revision: int) -> dict[str, Any]:
    """What every event on a window says: which window, of whom, and how many rows it has."""
    watched = window.watched
    return {
        "id": stable_id(identity, kind, revision),
        "time": moment(window.end),
        "model": watched.model,
        "window_id": identity,
        "revision": revision,
        "digest": window.key.digest,
        "reference_digest": watched.reference.digest,
        "role": window.key.role,
        "start": moment(window.key.start),
        "end": moment(window.end),
        "rows": window.sketch.rows,
        "repeats": window.repeats,
        "late_rows": window.late_rows,
    }
