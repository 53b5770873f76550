"""What the detector makes of a model's champions: panes judged in order of time, alarms heeded, memory kept."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

from services.drift_detection.domain.alarm.days import count
from services.drift_detection.domain.alarm.incidents import Alarm, IncidentBook
from services.drift_detection.domain.alarm.trail import Trail, Verdict
from services.drift_detection.domain.detector.bank import Memory
from services.drift_detection.domain.detector.effects import is_major
from services.drift_detection.domain.detector.memory import pack, unpack
from services.drift_detection.domain.performance import risk_watch
from services.drift_detection.domain.performance.book import PerformanceBook
from services.drift_detection.domain.performance.risk_watch import RiskAlarm
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.state import ModelRecord, PublishedWindow
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import Merged, window_id
from shared.errors import Unreadable
from shared.events import Event
from shared.reference.segments import ALL


class Judge:
    """Changes `record` and what was said of its `windows` in place, and says what to publish."""

    def __init__(
        self, record: ModelRecord, windows: Mapping[WindowKey, PublishedWindow], labels: PerformanceBook
    ) -> None:
        self.book = IncidentBook(record.model, record.incidents)
        self._record = record
        self._windows = windows
        self._labels = labels
        self._trails: dict[str, Trail] = {}
        self._unjudged: dict[str, int] = {}
        self._begun_anew: dict[str, int] = {}  # panes up to there were judged with another memory

    def put(self, window: Merged, *, changed: bool) -> None:
        """Give a champion's pane to its trail; after a restart also one that was published before."""
        key, trail = window.key, self._trail(window.watched.bundle)
        if key.start < self._record.final.get(key.digest, key.start):
            return  # folded already; the rest of its segments are let go of next
        if changed or not trail.has(key.start, key.segment):
            trail.put(key.start, key.segment, window.sketch)
            self._unjudged[key.digest] = min(key.start, self._unjudged.get(key.digest, key.start))

    def judge(self, before: int | None, most: int | None = None) -> tuple[list[Event], bool]:
        """What alarmed in the panes put since the last time, and in all after those; of those that start `before` a
        time only, if more are to be put from there on. At most so many panes of a bundle: true if there are more.
        """
        said, more = list[Event](), False
        for digest, since in sorted(self._unjudged.items()):
            trail = self._trails[digest]
            stop = trail.stop(since, before, most)
            for start, verdict in trail.verdicts(since, stop):
                said += self._heed(WindowKey(start, digest, "champion"), verdict, trail.watched)
                said += self._end_quiet(trail, start)
            if stop is None:
                del self._unjudged[digest]
            else:
                self._unjudged[digest] = max(since, stop)
            more = more or stop != before
        return said, more

    def _end_quiet(self, trail: Trail, start: int) -> list[Event]:
        watched = trail.watched

        def in_range(name: str, since: int) -> bool:
            if name == risk_watch.NAME:
                return self._labels.is_quiet(watched.digest, since)
            return trail.yesterday_in_range(self._record.days.get(watched.digest, {}), name, start, since)

        return self.book.quiet(watched.digest, start + watched.pane, in_range)

    def _heed(self, key: WindowKey, verdict: Verdict, watched: Watched) -> list[Event]:
        """Alarms that are new, gone or larger, compared with the last word on the window."""
        window, names = self._windows.get(key), sorted(verdict.names)
        if window is None or key.start <= self._begun_anew.get(key.digest, key.start - 1):
            return []
        if names == window.alarmed:  # late rows may have made it larger, as long as its incident is open
            return self._alarm(key, verdict, watched) if self.book.is_open_for(key) else []
        window.alarmed = names
        if not names:
            return self.book.retract(key, window_id(key, watched.pane), key.start + watched.pane)
        return self._alarm(key, verdict, watched)

    def risk(self, alarm: RiskAlarm) -> list[Event]:
        """An alarm of the bet on the model's risk."""
        return self._alarm(
            WindowKey(alarm.start, alarm.digest, "champion"),
            Verdict((alarm.feature,)),
            self._labels.bundle(alarm.digest),
        )

    def _alarm(self, key: WindowKey, verdict: Verdict, watched: Watched) -> list[Event]:
        if self._record.champion not in (None, key.digest):
            return []
        identity, end = window_id(key, watched.pane), key.start + watched.pane
        major = any(is_major(feature) for feature in verdict.alarms)
        return self.book.alarm(Alarm(key, identity, end, verdict, major, watched.terms))

    def _trail(self, watched: Watched) -> Trail:
        if watched.digest not in self._trails:
            self._trails[watched.digest] = Trail(watched, self._memory(watched))
        return self._trails[watched.digest]

    def _memory(self, watched: Watched) -> Memory:
        stored = self._record.memories.get(watched.digest)
        try:
            return watched.bank.start() if stored is None else unpack(b64decode(stored), watched.bank)
        except Unreadable:  # of a release with other bets: these begin anew, and take back nothing that was said
            known = [key.start for key in self._windows if key.digest == watched.digest]
            self._begun_anew[watched.digest] = max(known, default=0)
            return watched.bank.start()

    def fold(self, ends: Mapping[str, int]) -> None:
        """By digest: the panes that start before a time can't change any more."""
        for digest, end in ends.items():
            trail, days = self._trails[digest], self._record.days.setdefault(digest, {})
            for pane in trail.forget(end):
                if ALL in pane.sketches:
                    count(days, trail.watched.reference, pane.start, pane.sketches[ALL])
            self._record.memories[digest] = b64encode(pack(trail.base)).decode()
            self.book.settle(digest, end)

    def forget(self, live: set[str | None]) -> None:
        """Bundles that are not live leave nothing to judge by."""
        for digest in set(self._record.memories) - live:
            self._record.memories.pop(digest)
            self._record.days.pop(digest, None)
            self._trails.pop(digest, None)
