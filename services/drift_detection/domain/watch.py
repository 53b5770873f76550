"""The watch over one model: publishes its windows, judges its champion, keeps its incidents."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence

from services.drift_detection.domain.beside import Beside
from services.drift_detection.domain.days import count
from services.drift_detection.domain.detector.bank import Memory
from services.drift_detection.domain.detector.effects import is_major
from services.drift_detection.domain.detector.memory import pack, unpack
from services.drift_detection.domain.incidents import Alarm, IncidentBook
from services.drift_detection.domain.parts import WindowKey
from services.drift_detection.domain.performance import risk_watch
from services.drift_detection.domain.performance.book import PerformanceBook
from services.drift_detection.domain.performance.risk_watch import RiskAlarm
from services.drift_detection.domain.performance.words import Span, performance_estimated
from services.drift_detection.domain.reports.data import Arrivals, QualityWatch
from services.drift_detection.domain.reports.versions import RolloutWatch
from services.drift_detection.domain.state import ModelRecord, Outgoing, PublishedWindow
from services.drift_detection.domain.trail import Trail, Verdict
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, window_event, window_id
from shared.errors import Unreadable
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
        self.labels = PerformanceBook(record.model, record.performance)
        self._trails: dict[str, Trail] = {}
        self._unjudged: dict[str, int] = {}
        self._quality = QualityWatch(record.quality)
        self._quality.serves(record.champion, 1 - record.canary_share)
        self._rollout = RolloutWatch(record.rollout)

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
        self._rollout.stored()
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
        if old is None or old.fingerprint != fingerprint:
            self._say(window, old, fingerprint)
        if window.key.segment == ALL:
            self.labels.predicted(window.key, window.sketch.rows, window.watched)
        if window.key.role == "champion":
            self._put(window, changed=old is None or old.fingerprint != fingerprint)

    def _say(self, window: Merged, old: PublishedWindow | None, fingerprint: str) -> None:
        revision = 0 if old is None else old.revision + 1
        self.outbox.append(window_event(window, revision))
        self.estimate(window, revision)
        self._count(window.key, revision)
        self._windows[window.key] = PublishedWindow(
            **window.key._asdict(),
            revision=revision,
            fingerprint=fingerprint,
            alarmed=[] if old is None else old.alarmed,
        )
        self.changed = True

    def estimate(self, window: Merged, revision: int) -> None:
        """After the word on a window of all of a champion's rows: how well they are expected to have been scored. That
        this is not assessed is said once of a bundle.
        """
        key, said = window.key, self._record.performance.not_assessed
        if key.role != "champion" or key.segment != ALL or key.digest in said:
            return
        if window.watched.reference.calibration is None:
            said.append(key.digest)
        span = Span(self.model, window.identity, key.digest, key.role, key.start, window.end)
        self.outbox.append(performance_estimated(span, revision, window.watched.reference, window.sketch))

    def measure(self, time: int | None, most: int) -> bool:
        """Move the clock of the labels to `time`, as far as at most about so many windows are to be spoken of; True if
        there is more.
        """
        now = self.labels.time(time, self.watermark)
        if now is None:
            return False
        before = self._record.performance.measured
        said, alarms, more = self.labels.advance(now, most)
        self.outbox += said
        for alarm in alarms:
            self._heed_risk(alarm)
        self.changed = self.changed or self._record.performance.measured != before
        return more

    def _heed_risk(self, alarm: RiskAlarm) -> None:
        if self._record.champion in (None, alarm.digest):
            watched, key = self.labels.bundle(alarm.digest), WindowKey(alarm.start, alarm.digest, "champion")
            identity, end = window_id(key, watched.pane), key.start + watched.pane
            verdict, major = Verdict((alarm.feature,)), is_major(alarm.feature)
            self.outbox += self._book.alarm(Alarm(key, identity, end, verdict, major, watched.terms))

    def _count(self, key: WindowKey, revision: int) -> None:
        roles = self._record.published.setdefault(key.digest, {})
        roles[key.role] = roles.get(key.role, 0) + (revision == 0 and key.segment == ALL)

    def _put(self, window: Merged, *, changed: bool) -> None:
        """Give a champion's pane to its trail; after a restart also one that was published before."""
        key, trail = window.key, self._trail(window.watched.bundle)
        if key.start < self._record.final.get(key.digest, key.start):
            return  # folded already; the rest of its segments are let go of next
        if changed or not trail.has(key.start, key.segment):
            trail.put(key.start, key.segment, window.sketch)
            self._unjudged[key.digest] = min(key.start, self._unjudged.get(key.digest, key.start))

    def note(self, window: Merged, beside: Beside) -> int | None:
        """Take in what is counted beside a window of all rows, after its word. The start of a later window of the same
        bundle and role that must be noted again, as it is compared with this one.
        """
        self._rollout.note(window.key, window.watched, beside.sums)
        if window.key.role != "champion" or not (window.sketch.rows or beside.facts.misfits.any()):
            return None
        said = self._quality.note(window, beside.facts)
        self._add(said.events)
        return said.again

    def _add(self, events: Sequence[Event]) -> None:
        self.outbox += events
        self.changed = self.changed or bool(events)

    def listen(self, catalogue: Mapping[str, Watched], told: Arrivals) -> None:
        """Say whether the champion is silent; to be called when all windows that closed were noted."""
        self._add(self._quality.listen(catalogue, told))

    @property
    def listened(self) -> str | None:
        """The bundle whose silence would be told."""
        champion = self._record.champion
        return champion if champion in self._record.quality else None

    def compare(self, before: int | None) -> None:
        """Say how versions beside the champion do, at the ends of the panes noted; of those that start `before` a time
        only, if more are to be noted from there on.
        """
        self._add(self._rollout.step(before))
        self.changed = self.changed or self._rollout.changed

    def judge(self, before: int | None = None) -> None:
        """Say what alarmed in the panes published since the last time, and in all after those; of those that start
        `before` a time only, if more are to be published from there on.
        """
        for digest, since in sorted(self._unjudged.items()):
            trail = self._trails[digest]
            for start, verdict in trail.verdicts(since, before):
                self._heed(WindowKey(start, digest, "champion"), verdict, trail.watched)
                self._end_quiet(trail, start)
            if before is None or before <= since:
                del self._unjudged[digest]
            else:
                self._unjudged[digest] = before
            self.changed = True

    def _end_quiet(self, trail: Trail, start: int) -> None:
        watched = trail.watched

        def in_range(name: str, since: int) -> bool:
            if name == risk_watch.NAME:
                return self.labels.is_quiet(watched.digest, since)
            return trail.yesterday_in_range(self._record.days.get(watched.digest, {}), name, start, since)

        self.outbox += self._book.quiet(watched.digest, start + watched.pane, in_range)

    def _heed(self, key: WindowKey, verdict: Verdict, watched: Watched) -> None:
        """Alarms that are new or gone, compared with the last word on the window."""
        window, names = self._windows.get(key), sorted(verdict.names)
        if window is None or names == window.alarmed:
            return
        window.alarmed = names
        identity, end = window_id(key, watched.pane), key.start + watched.pane
        if not names:
            self.outbox += self._book.retract(key, identity, end)
        elif self._record.champion in (None, key.digest):
            major = any(is_major(feature) for feature in verdict.alarms)
            self.outbox += self._book.alarm(Alarm(key, identity, end, verdict, major, watched.terms))

    def _trail(self, watched: Watched) -> Trail:
        if watched.digest not in self._trails:
            self._trails[watched.digest] = Trail(watched, self._memory(watched))
        return self._trails[watched.digest]

    def _memory(self, watched: Watched) -> Memory:
        stored = self._record.memories.get(watched.digest)
        try:
            return watched.bank.start() if stored is None else unpack(b64decode(stored), watched.bank)
        except Unreadable:  # of a release with other bets: these begin anew
            return watched.bank.start()

    def deployed(self, event: DeploymentChanged) -> None:
        """Another champion ends the incidents of the one before; an older word than the last is none."""
        if event.revision < self._record.deployment:
            return
        self._record.canary_share = 0.0 if event.canary is None else event.canary.share
        self._quality.serves(event.champion, 1 - self._record.canary_share)
        self._add(self._rollout.deployed(event))
        self.changed = True
        if event.revision == self._record.deployment:
            return
        self._record.deployment, self._record.champion = event.revision, event.champion
        self.outbox += self._book.champion_changed(event.champion, time_of(event.time))

    def fold(self, slowest: int) -> None:
        """Keep of comparisons what no row can change any more, by the slowest clock of the source's partitions."""
        self._add(self._rollout.finish(slowest))
        self.changed = self.changed or self._rollout.changed

    def finish(self, keys: Iterable[WindowKey]) -> None:
        """These windows can't change any more: keep of them only what later ones are judged by."""
        ends: dict[str, int] = {}
        keys = list(keys)
        for key in sorted(keys):
            self._record.final[key.digest] = key.start + 1
            if self._windows.pop(key, None) is not None and key.role == "champion":
                ends[key.digest] = key.start + 1
            self.changed = True
        for digest, end in ends.items():
            self._fold(digest, end)
        self._quality.finish({key.digest: key.start + 1 for key in sorted(keys) if key.role == "champion"})
        self._forget_replaced()

    def _fold(self, digest: str, end: int) -> None:
        trail, days = self._trails[digest], self._record.days.setdefault(digest, {})
        for pane in trail.forget(end):
            count(days, trail.watched.reference, pane.start, pane.sketches[ALL])
        self._record.memories[digest] = b64encode(pack(trail.base)).decode()
        self._book.settle(digest, end)

    def _forget_replaced(self) -> None:
        """Bundles that serve no more and have no windows under way leave nothing to judge by."""
        beside = {running.digest for running in self._record.rollout.running}
        live = {key.digest for key in self._windows} | {self._record.champion} | beside
        if self._record.champion is not None:
            self.labels.forget(live)
            for digest in set(self._record.memories) - live:
                self._record.memories.pop(digest)
                self._record.days.pop(digest, None)
                self._trails.pop(digest, None)
            self._quality.forget(set(self._record.quality) - live)
            self._rollout.forget(live)
