"""The watch over one model: publishes its windows, judges its champion, keeps its incidents."""

from collections.abc import Iterable

import numpy as np

from services.drift_detection.domain.days import Days
from services.drift_detection.domain.incidents import Alarm, IncidentBook
from services.drift_detection.domain.jump_rule import LastSeen, PaneSums, Verdict
from services.drift_detection.domain.partition import WindowKey
from services.drift_detection.domain.state import ModelRecord, Outgoing, PublishedWindow, Sums
from services.drift_detection.domain.trail import Trail
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, window_event, window_id
from shared.events import EVENT_TYPES, DeploymentChanged, Event
from shared.reference.panes import time_of
from shared.reference.segments import ALL


class ModelWatch:
    """All decisions on one model. `changed` says that it should be stored; `outbox` is what it has to say, in order."""

    def __init__(self, record: ModelRecord) -> None:
        self.model = record.model
        self.changed = False
        self.outbox: list[Event] = [EVENT_TYPES[one.type].model_validate_json(one.value) for one in record.outbox]
        self._record = record
        self._book = IncidentBook(record.model, record.incidents)
        self._windows = {WindowKey(one.start, one.digest, one.role, one.segment): one for one in record.windows}
        self._trails: dict[str, Trail] = {}

    @property
    def watermark(self) -> int | None:
        """How far the model's time has come."""
        return self._record.watermark

    @property
    def record(self) -> ModelRecord:
        """What there is to look at; `store` gives what is to be stored."""
        return self._record

    def move_watermark(self, time: int | None) -> None:
        """Time never goes back."""
        if time is not None and (self.watermark is None or time > self.watermark):
            self._record.watermark = time
            self.changed = True

    def has_published(self, key: WindowKey) -> bool:
        """Whether there is a word on this window already."""
        return key in self._windows

    def is_final(self, key: WindowKey) -> bool:
        """Whether the window was published for good and forgotten."""
        return key not in self._windows and key.start < self._record.final.get(key.digest, key.start)

    def store(self) -> ModelRecord:
        """The record as it is to be stored now, the next version."""
        self._record.version += 1
        self._record.windows = sorted(
            self._windows.values(), key=lambda one: (one.start, one.digest, one.role, one.segment)
        )
        self._record.outbox = [Outgoing(type=event.type, value=event.model_dump_json()) for event in self.outbox]
        self.changed = False
        return self._record

    def sent(self, count: int) -> None:
        """The first `count` events of the outbox are published."""
        if count:
            del self.outbox[:count]
            self.changed = True

    def publish(self, window: Merged) -> None:
        """Say the first word on a window, or the next one if its content has changed."""
        fingerprint = window.fingerprint
        old = self._windows.get(window.key)
        if old is not None and old.fingerprint == fingerprint:
            return
        revision = 0 if old is None else old.revision + 1
        self.outbox.append(window_event(window, revision))
        self._count(window.key, revision)
        pane = _pane_sums(window)
        self._windows[window.key] = PublishedWindow(
            **window.key._asdict(),
            revision=revision,
            fingerprint=fingerprint,
            present=pane.present.tolist(),
            sums=pane.sums.tolist(),
            alarmed=[] if old is None else old.alarmed,
        )
        if _is_judged(window.key):
            self._judge(window, pane, None if old is None else _stored(old))
        self.changed = True

    def _count(self, key: WindowKey, revision: int) -> None:
        roles = self._record.published.setdefault(key.digest, {})
        roles[key.role] = roles.get(key.role, 0) + (revision == 0 and key.segment == ALL)

    def _judge(self, window: Merged, pane: PaneSums, old: PaneSums | None) -> None:
        digest, watched = window.key.digest, window.watched
        days = Days(self._record.days.setdefault(digest, {}))
        days.replace(watched, pane, old)
        trail = self._trail(digest, len(pane.present))
        trail.put(pane)
        for start, verdict in trail.verdicts(watched.rule, pane.start).items():
            self._heed(WindowKey(start, digest, window.key.role), verdict, watched)

        def in_range(name: str, since: int) -> bool:
            return days.in_range(watched, name, window.key.start, since)

        self.outbox += self._book.quiet(digest, window.end, in_range)

    def _heed(self, key: WindowKey, verdict: Verdict, watched: Watched) -> None:
        """Alarms that are new or gone, compared with the last word on the window."""
        window, names = self._windows[key], sorted(verdict.names)
        if names == window.alarmed:
            return
        window.alarmed = names
        identity, end = window_id(key, watched.pane), key.start + watched.pane
        if not names:
            self.outbox += self._book.retract(key, identity, end)
        elif self._record.champion in (None, key.digest):
            alarm = Alarm(key, identity, end, verdict, watched.rule.is_major(verdict), watched.rule.panes)
            self.outbox += self._book.alarm(alarm)

    def _trail(self, digest: str, features: int) -> Trail:
        if digest not in self._trails:
            base = self._record.last_seen.get(digest)
            self._trails[digest] = Trail(LastSeen.nothing(features) if base is None else _last_seen(base))
            for key, window in self._windows.items():
                if key.digest == digest and _is_judged(key):
                    self._trails[digest].put(_stored(window))
        return self._trails[digest]

    def deployed(self, event: DeploymentChanged) -> None:
        """Another champion ends the incidents of the one before; an older word than the last is none."""
        if event.revision <= self._record.deployment:
            return
        self._record.deployment, self._record.champion = event.revision, event.champion
        self.outbox += self._book.champion_changed(event.champion, time_of(event.time))
        self.changed = True

    def finish(self, keys: Iterable[WindowKey]) -> None:
        """These windows can't change any more: keep of them only what later ones are judged by."""
        for key in sorted(keys):
            window = self._windows.get(key)
            self._record.final[key.digest] = key.start + 1
            if window is not None and _is_judged(key):
                trail = self._trail(key.digest, len(window.present))
                trail.forget(key.start + 1)
                self._record.last_seen[key.digest] = _sums(trail.base)
                self._book.settle(key.digest, key.start + 1)
            self._windows.pop(key, None)
            self.changed = True
        self._forget_replaced()

    def _forget_replaced(self) -> None:
        """Bundles that serve no more and have no windows under way leave nothing to judge by."""
        live = {key.digest for key in self._windows} | {self._record.champion}
        if self._record.champion is not None:
            for digest in set(self._record.last_seen) - live:
                self._record.last_seen.pop(digest)
                self._record.days.pop(digest, None)
                self._trails.pop(digest, None)


def _is_judged(key: WindowKey) -> bool:
    return key.role == "champion" and key.segment == ALL


def _pane_sums(window: Merged) -> PaneSums:
    """Of the numeric features alone, which stand before the scores."""
    features = len(window.watched.reference.numeric)
    sketch = window.sketch
    return PaneSums(window.key.start, sketch.counts[:features, 1:].sum(axis=1), sketch.sums[:features, 1:].sum(axis=1))


def _stored(window: PublishedWindow) -> PaneSums:
    return PaneSums(window.start, np.array(window.present, np.int64), np.array(window.sums, np.int64))


def _last_seen(base: Sums) -> LastSeen:
    return LastSeen(*(np.array(part, np.int64) for part in (base.start, base.present, base.sums)))


def _sums(base: LastSeen) -> Sums:
    return Sums(present=base.present.tolist(), sums=base.sums.tolist(), start=base.start.tolist())
