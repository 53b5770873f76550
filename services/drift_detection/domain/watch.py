"""The watch over one model: publishes its windows, judges its champion, keeps its incidents."""

from collections.abc import Iterable, Mapping, Sequence

from services.drift_detection.domain.alarm.judge import Judge
from services.drift_detection.domain.performance.book import PerformanceBook
from services.drift_detection.domain.performance.label_window import Rows
from services.drift_detection.domain.performance.words import Span, performance_estimated
from services.drift_detection.domain.reports.data import Arrivals, QualityWatch
from services.drift_detection.domain.reports.versions import RolloutWatch
from services.drift_detection.domain.resting import Resting
from services.drift_detection.domain.source.beside import Beside
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord
from services.drift_detection.domain.state import ModelRecord, Outgoing, PublishedWindow
from services.drift_detection.domain.too_late import rows_after_end
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, window_event
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
        self._windows = {WindowKey(one.start, one.digest, one.role, one.segment): one for one in record.windows}
        self.labels = PerformanceBook(record.model, record.performance)
        self._judge = Judge(record, self._windows, self.labels)
        self._quality = QualityWatch(record.quality)
        self._quality.serves(record.champion, 1 - record.canary_share)
        self._rollout = RolloutWatch(record.rollout)
        self.resting = Resting(record.model, record.kept)

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

    def missed(self, word: PartWord, watched: Watched, head: HeadWord) -> None:
        """Say which rows a part brings for a window that is final; `head` is the last word of its partition."""
        if self.is_final(word.key) and (missed := self.resting.missed(word, watched, head)) is not None:
            self._add([rows_after_end(word, watched, missed, self.watermark)])

    def store(self) -> ModelRecord:
        """The record as it is to be stored now, the next version."""
        self._record.version += 1
        self._record.windows = sorted(
            self._windows.values(), key=lambda one: (one.start, one.digest, one.role, one.segment)
        )
        self._record.outbox = [Outgoing(type=event.type, value=event.model_dump_json()) for event in self.outbox]
        self.changed = self.resting.changed = False
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
            self._judge.put(window, changed=old is None or old.fingerprint != fingerprint)

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

    def measure(self, time: int | None, most: int, rows: Rows) -> bool:
        """Move the clock of the labels to `time`, as far as at most about so many windows are to be spoken of, and no
        further than their `rows` are known; True if there is more.
        """
        now = self.labels.time(time, self.watermark)
        if now is None:
            return False
        before = self._record.performance.measured
        said, alarms, more = self.labels.advance(now, most, rows)
        self.outbox += said
        for alarm in alarms:
            self.outbox += self._judge.risk(alarm)
        settled, self.labels.settled = self.labels.settled, []
        self._add(self._rollout.settled(settled))
        self.changed = self.changed or self._record.performance.measured != before
        return more

    def _count(self, key: WindowKey, revision: int) -> None:
        roles = self._record.published.setdefault(key.digest, {})
        roles[key.role] = roles.get(key.role, 0) + (revision == 0 and key.segment == ALL)

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

    def judge(self, before: int | None = None, most: int | None = None) -> bool:
        """Say what alarmed in the panes published since the last time, and in all after those; of those that start
        `before` a time only, if more are to be published from there on. At most so many; True if there are more.
        """
        said, more = self._judge.judge(before, most)
        self._add(said)
        return more

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
        self.outbox += self._judge.book.champion_changed(event.champion, time_of(event.time))

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
        self._judge.fold(ends)
        self._quality.finish({key.digest: key.start + 1 for key in sorted(keys) if key.role == "champion"})
        self._forget_replaced()

    def _forget_replaced(self) -> None:
        """Bundles that serve no more and have no windows under way leave nothing to judge by."""
        beside = {running.digest for running in self._record.rollout.running}
        live = {key.digest for key in self._windows} | {self._record.champion} | beside
        if self._record.champion is not None:
            self.labels.forget(live)
            self._judge.forget(live)
            self._quality.forget(set(self._record.quality) - live)
            self._rollout.forget(live)
