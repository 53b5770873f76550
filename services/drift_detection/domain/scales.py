"""Windows coarser than panes, for people: panes merged by the clock, or until they hold so many rows."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.state import Said
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, Span, merge, window_event
from shared.reference import Sketch
from shared.reference.panes import DAY, MICROSECONDS, day_bounds, local_day


class ScaleKey(NamedTuple):
    """One window of so many seconds; `seconds` 0: the one of so many rows that is being filled."""

    seconds: int
    window: WindowKey

    @property
    def name(self) -> str:
        """As text."""
        return "/".join(map(str, (self.seconds, *self.window)))


class Fold:
    """What can't change any more of a coarser window: its panes that start before `until`; `start` is the first's."""

    def __init__(self, sketch: Sketch, until: int = 0, start: int = 0, repeats: int = 0, late_rows: int = 0) -> None:
        self.sketch = sketch
        self.until = until
        self.start = start
        self.repeats = repeats
        self.late_rows = late_rows

    def add(self, pane: Merged) -> None:
        """A pane that starts later than all before."""
        self.start = self.start if self.sketch.rows else pane.key.start
        self.sketch.merge(pane.sketch)
        self.repeats += pane.repeats
        self.late_rows += pane.late_rows
        self.until = pane.key.start + 1


def bounds(seconds: int, pane: int, watched: Watched) -> tuple[int, int]:
    """The window of so many seconds that holds the pane that starts there: where it starts and ends."""
    if seconds == DAY:
        zone = watched.reference.time_zone
        return day_bounds(local_day(pane, zone), zone, watched.reference.pane_seconds)
    size = seconds * MICROSECONDS
    return pane // size * size, pane // size * size + size


class Scales:
    """The coarser windows of one model. `parts` are the panes under way, `folds` what is final of each window.

    `fresh` are windows with panes that were not looked at yet, `changed` the folds not stored yet.
    """

    def __init__(
        self, watch: ModelWatch, parts: Mapping[WindowKey, Mapping[int, Partial]], catalogue: Mapping[str, Watched]
    ) -> None:
        self.folds: dict[ScaleKey, Fold] = {}
        self.fresh: set[ScaleKey] = set()
        self.changed: set[ScaleKey] = set()
        self._watch = watch
        self._parts = parts
        self._catalogue = catalogue

    @property
    def version(self) -> int:
        """Of the model's record."""
        return self._watch.record.version

    def touch(self, pane: WindowKey) -> None:
        """A pane was published or revised: look at the windows that it is in."""
        self.fresh.update(self._around(pane))

    def _around(self, pane: WindowKey) -> list[ScaleKey]:
        watched = self._catalogue[pane.digest]
        return [
            ScaleKey(seconds, pane._replace(start=bounds(seconds, pane.start, watched)[0]))
            for seconds in watched.definition.monitoring.coarser
        ]

    def _end(self, key: ScaleKey) -> int:
        return bounds(key.seconds, key.window.start, self._catalogue[key.window.digest])[1]

    def _is_settled(self, key: ScaleKey) -> bool:
        return self._end(key) <= self._watch.record.settled.get(key.window.digest, self._end(key) - 1)

    def advance(self, most: int) -> bool:
        """Say what is due, at most so much; True if there is more. A window is due when it ended by the watermark."""
        now = self._watch.watermark
        known = (key for key in self.fresh if key.window.digest in self._catalogue)
        due = sorted(key for key in known if now is not None and self._end(key) <= now)
        for key in due[:most]:
            self.fresh.discard(key)
            if not self._is_settled(key):
                self._publish(key, self._merged(key))
        return len(due) > most

    def _merged(self, key: ScaleKey) -> Merged:
        watched, end = self._catalogue[key.window.digest], self._end(key)
        fold = self.folds.get(key) or Fold(watched.reference.empty_sketch())
        first = max(key.window.start, -(-fold.until // watched.pane) * watched.pane)
        panes = (key.window._replace(start=start) for start in range(first, end, watched.pane))
        live = [part for pane in panes for part in self._parts.get(pane, {}).values()]
        final = Partial(fold.sketch, 0, fold.repeats, fold.late_rows)
        rest = merge(key.window, [final, *live], watched)
        return Merged(rest.key, rest.watched, rest.sketch, rest.repeats, rest.late_rows, Span(end, key.seconds))

    def _publish(self, key: ScaleKey, window: Merged) -> None:
        said = self._watch.record.scales.get(key.name)
        if not window.sketch.rows or (said is not None and said.fingerprint == window.fingerprint):
            return
        revision = 0 if said is None else said.revision + 1
        self._watch.record.scales[key.name] = Said(revision=revision, fingerprint=window.fingerprint)
        self._watch.outbox.append(window_event(window, revision))
        self._watch.estimate(window, revision)
        self._watch.changed = True

    def finish(self, ended: Iterable[WindowKey]) -> None:
        """Fold panes that can't change any more, given in order of start; those folded before are passed over."""
        for pane in ended:
            monitoring = self._catalogue[pane.digest].definition.monitoring
            if not (monitoring.coarser or monitoring.every_rows):
                continue
            merged = merge(pane, self._parts[pane].values(), self._catalogue[pane.digest])
            for key in self._around(pane):
                self._fold(key, merged)
            if monitoring.every_rows:
                self._fill(ScaleKey(0, pane._replace(start=0)), merged, monitoring.every_rows)

    def _fold(self, key: ScaleKey, pane: Merged) -> bool:
        if key.seconds and self._is_settled(key):
            return False
        fold = self.folds.setdefault(key, Fold(pane.watched.reference.empty_sketch()))
        if pane.key.start < fold.until:
            return False
        fold.add(pane)
        self.changed.add(key)
        return True

    def _fill(self, key: ScaleKey, pane: Merged, rows: int) -> None:
        if self._fold(key, pane) and (fold := self.folds[key]).sketch.rows >= rows:
            whole = pane.key._replace(start=fold.start)
            span = Span(pane.end, rows=rows)
            window = Merged(whole, pane.watched, fold.sketch, fold.repeats, fold.late_rows, span)
            self._watch.outbox.append(window_event(window, 0))
            self._watch.estimate(window, 0)
            self._watch.changed = True
            self.folds[key] = Fold(pane.watched.reference.empty_sketch(), until=fold.until)

    def settle(self, slowest: int) -> list[ScaleKey]:
        """Forget the windows that can't change any more, once their last word is said; which had folds.

        `slowest` is the least clock of the source's partitions.
        """
        over = []
        for key in [key for key in self.folds if key.seconds and key.window.digest in self._catalogue]:
            watched = self._catalogue[key.window.digest]
            if key not in self.fresh and self._end(key) <= slowest - watched.lateness:
                self._watch.record.scales.pop(key.name, None)
                settled = self._watch.record.settled
                settled[key.window.digest] = max(self._end(key), settled.get(key.window.digest, 0))
                self._watch.changed = True
                self.changed.discard(key)
                del self.folds[key]
                over.append(key)
        return over

    def restored(self) -> None:
        """Look at all windows that were under way."""
        self.fresh.update(key for key in self.folds if key.seconds)
