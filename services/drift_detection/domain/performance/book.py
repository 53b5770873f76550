"""The labels of one model's windows: which are waited for, when they are spoken of, what is learnt of them."""

import heapq
from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import Any, NamedTuple

from services.drift_detection.domain.performance import risk_watch
from services.drift_detection.domain.performance.bundle import Assessed
from services.drift_detection.domain.performance.label_window import LabelWindow, Rows
from services.drift_detection.domain.performance.label_words import Labelled
from services.drift_detection.domain.performance.lags import LagCurve
from services.drift_detection.domain.performance.measure import Waiting
from services.drift_detection.domain.performance.packing import pack_curve, unpack_curve
from services.drift_detection.domain.performance.risk_watch import RiskAlarm
from services.drift_detection.domain.performance.version_losses import Settled
from services.drift_detection.domain.performance.words import SETTLED, STAGES, Asked, Span, performance_measured
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.state import PerformanceRecord
from services.drift_detection.domain.watched import Watched
from services.drift_detection.domain.windows import window_id
from shared.events import PerformanceMeasured
from shared.reference.panes import DAY, MICROSECONDS


class _Due(NamedTuple):
    time: int
    key: WindowKey
    stage: int


class PerformanceBook:
    """`windows` take labels; `changed` are those not stored yet, `over` those that take no more, to be forgotten, and
    `settled` those of versions beside the champion whose labels were settled, in order.

    Which words were said follows from how far the labels' clock has come in the record: a word's revision is its stage.
    """

    def __init__(self, model: str, record: PerformanceRecord) -> None:
        self.windows: dict[WindowKey, LabelWindow] = {}
        self.changed: set[WindowKey] = set()
        self.over: set[WindowKey] = set()
        self.settled: list[Settled] = []
        self._model = model
        self._record = record
        self._bundles: dict[str, Assessed] = {}
        self._due: list[_Due] = []
        self._waiting: set[WindowKey] = set()  # for their bundle
        self._curves: dict[str, LagCurve] = {}

    def know(self, watched: Watched) -> None:
        """A bundle is at hand."""
        if watched.digest not in self._bundles and (assessed := Assessed.of(watched)) is not None:
            self._bundles[watched.digest] = assessed
            for key in sorted(key for key in self._waiting if key.digest == watched.digest):
                self._waiting.discard(key)
                self._schedule(key, assessed)

    def bundle(self, digest: str) -> Watched:
        """One that is known."""
        return self._bundles[digest].watched

    def missing(self) -> set[str]:
        """Bundles that windows wait for."""
        return {key.digest for key in self._waiting}

    def predicted(self, key: WindowKey, rows: int, watched: Watched) -> None:
        """A window has so many rows."""
        self.know(watched)
        window = self._window(key) if watched.digest in self._bundles else None
        if window is not None and window.predicted != rows:
            window.predicted = rows
            self.changed.add(key)

    def take(self, key: WindowKey, place: tuple[int, int], more: Labelled) -> bool:
        """Take in a message's labels for a window, by partition and offset; False if it takes no more labels."""
        window = self._window(key)
        if window is not None and window.take(*place, more):
            self.changed.add(key)
        return window is not None

    def restore(self, key: WindowKey, window: LabelWindow) -> None:
        """Take in what was stored; what was to be forgotten still is."""
        self.windows[key] = window
        self._waiting.add(key)

    def _window(self, key: WindowKey) -> LabelWindow | None:
        if key not in self.windows:
            assessed = self._bundles.get(key.digest)
            if assessed is not None and assessed.next_stage(key.start, self._record.measured) is None:
                return None
            self.restore(key, LabelWindow())
            if assessed is not None:
                self._waiting.discard(key)
                self._schedule(key, assessed)
        return self.windows[key]

    def _schedule(self, key: WindowKey, assessed: Assessed) -> None:
        stage = assessed.next_stage(key.start, self._record.measured)
        if stage is None:
            self._let_go(key)
        else:
            heapq.heappush(self._due, _Due(assessed.due(key.start, stage), key, stage))

    def _let_go(self, key: WindowKey) -> None:
        del self.windows[key]
        self.changed.discard(key)
        self.over.add(key)

    def time(self, labels: int | None, rows: int | None) -> int | None:
        """How far the labels' clock has come, from the labels' own and from that of the rows: where labels no longer
        come, windows must end all the same.
        """
        patience = max((one.patience for one in self._bundles.values()), default=DAY * MICROSECONDS)
        known = [time for time in (labels, None if rows is None else rows - patience) if time is not None]
        return max(known, default=None)

    def advance(self, time: int, most: int, rows: Rows) -> tuple[list[PerformanceMeasured], list[RiskAlarm], bool]:
        """Move the labels' clock: what is to be said of at most about so many windows, the alarms, whether more is due.

        Windows are taken in the order in which they are due, and the clock goes no further than what was said. It waits
        for a window some of whose labelled rows were not told yet.
        """
        if self._record.measured is not None and time <= self._record.measured:
            return [], [], False
        stages: dict[WindowKey, int] = {}
        alarms: list[RiskAlarm] = []
        while due := self._next(time, rows):
            for one in due:
                stages[one.key] = one.stage
                alarms += self._reached(one)
            self._record.measured = due[0].time
            if len(stages) >= most and self._due and self._due[0].time > due[0].time:
                return self._said(stages), alarms, True
        if not self._due or self._due[0].time > time:
            self._record.measured = time
        return self._said(stages), alarms, False

    def _next(self, time: int, rows: Rows) -> list[_Due]:
        """What is due first, all of one time; nothing if a window of it waits for its rows."""
        due: list[_Due] = []
        while self._due and self._due[0].time <= time and (not due or self._due[0].time == due[0].time):
            due.append(heapq.heappop(self._due))
        waits = not all(self._is_told(one.key, rows) for one in due)
        for one in due if waits else ():
            heapq.heappush(self._due, one)
        return [] if waits else due

    def _is_told(self, key: WindowKey, rows: Rows) -> bool:
        window = self.windows[key]
        told = rows.told(key, self._bundles[key.digest].watched, window.rows)
        if told and (count := rows.count(key)) is not None and count != window.predicted:
            window.predicted = count
            self.changed.add(key)
        return told

    def _reached(self, due: _Due) -> list[RiskAlarm]:
        assessed = self._bundles[due.key.digest]
        if due.stage < len(STAGES):
            following = due.stage + 1
            heapq.heappush(self._due, _Due(assessed.due(due.key.start, following), due.key, following))
        if due.stage != SETTLED:
            return []
        if due.key.role != "champion":
            self.settled.append(self._settled(due.key, assessed))
            return []
        risks = self._record.risks
        record = risks.setdefault(due.key.digest, risk_watch.start(assessed))
        losses = risk_watch.loss_sums(assessed, self.windows[due.key].outcomes)
        feature = risk_watch.step(assessed, record, due.key.start, losses)
        return [] if feature is None else [RiskAlarm(due.key.digest, due.key.start, feature)]

    def _settled(self, key: WindowKey, assessed: Assessed) -> Settled:
        champions = {}
        for digest, other in self._bundles.items():
            beside = self.windows.get(key._replace(digest=digest, role="champion"))
            if beside is not None and other.scorer.ranges == assessed.scorer.ranges:
                champions[digest] = beside.outcomes.losses
        return Settled(key, self.windows[key].outcomes.losses, champions)

    def _said(self, stages: dict[WindowKey, int]) -> list[PerformanceMeasured]:
        """A word on each that has labels, and the last word if others of its bundle had any; of a window that had
        several stages the last one's.
        """
        final = {key for key, stage in stages.items() if stage == len(STAGES)}
        told = [
            self._measured(key, self.windows[key], stage)
            for key, stage in stages.items()
            if self.windows[key].packed or (key in final and self._curve(key.digest).whole)
        ]
        for key in sorted(final):
            self._learn(key, self.windows[key])
            self._let_go(key)
        for digest in {key.digest for key in final}:
            self._record.curves[digest] = b64encode(pack_curve(self._curve(digest))).decode()
        return told

    def _measured(self, key: WindowKey, window: LabelWindow, stage: int) -> PerformanceMeasured:
        assessed, as_of = self._bundles[key.digest], self._record.measured
        assert as_of is not None  # noqa: S101  # `advance` sets it before
        end = key.start + assessed.watched.pane
        span = Span(self._model, window_id(key, assessed.watched.pane), key.digest, key.role, key.start, end)
        waiting = Waiting(window.predicted, as_of - end, self._curve(key.digest), settled=stage >= SETTLED)
        asked = Asked(stage - 1, as_of, stage == len(STAGES), waiting)
        return performance_measured(span, assessed.scorer, window.outcomes, asked)

    def _learn(self, key: WindowKey, window: LabelWindow) -> None:
        """Nothing, as long as no label has come: until somebody sends any, that tells nothing of how long they take."""
        curve, labels = self._curve(key.digest), window.outcomes.labels
        if labels or curve.whole:
            curve.learn(key.start // (DAY * MICROSECONDS), window.predicted, labels)

    def _curve(self, digest: str) -> LagCurve:
        if digest not in self._curves:
            stored = self._record.curves.get(digest)
            self._curves[digest] = LagCurve() if stored is None else unpack_curve(b64decode(stored))
        return self._curves[digest]

    def is_quiet(self, digest: str, since: int) -> bool:
        """Whether the risk is back to what the reference allows."""
        record = self._record.risks.get(digest)
        return record is not None and risk_watch.is_quiet(record, since)

    def forget(self, live: Collection[str | None]) -> None:
        """Leave nothing of bundles that serve no more and of which no labels are waited for."""
        needed = {key.digest for key in self.windows} | set(live)
        tables: tuple[dict[str, Any], ...] = (self._record.curves, self._record.risks, self._curves, self._bundles)
        for table in tables:
            for digest in table.keys() - needed:
                del table[digest]
