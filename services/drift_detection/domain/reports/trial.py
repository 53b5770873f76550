"""One comparison as panes close: its words at the ends of panes, and later words on those that late rows changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from services.drift_detection.domain.rollout.announce import Pair, compared, is_news
from services.drift_detection.domain.rollout.comparison import Comparison, Pane
from services.drift_detection.domain.rollout.evidence import Design
from services.drift_detection.domain.rollout.record import Running, pack, unpack
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.watched import Watched
from shared.events.rollout import MetricCompared, RolloutCompared
from shared.reference.panes import time_of
from shared.rollout import METRICS, Metric, Rollout

# A shadow runs when the champion has answered, so its latency holds the wait for its turn.
SHADOW = Rollout(margins={"error": 0.01})


class Trial:
    """Changes `running` in place; `changed` says that it did.

    What was said of the end of a pane is said again, once, when no row can change it any more and rows that came late
    have: so its last word is that of all rows up to there.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.name = running.name
        self.version = (running.digest, running.role)
        self.champion = (running.champion, "champion")
        self.changed = False
        self._design = Design.of(running.role)
        self._comparison = Comparison(unpack(running.base), self._design)
        self._bundle: Watched | None = None
        self._losses = unpack(running.losses)
        self._owes = False  # a word on losses
        self._is_stale = False
        self._is_whole = False  # after a restart its panes come one after the other

    def put(self, start: int, sides: tuple[Sums, Sums], bundle: Watched, apart: Sequence[Metric]) -> None:
        """Both sides' sums of a pane; of metrics that lie `apart` nothing is known."""
        self._bundle = bundle
        if start < max(self.running.since, self.running.until):
            return
        unknown: list[Metric] = [metric for metric in apart if not self._design.alone[METRICS.index(metric)]]
        version, champion = (side.without(unknown) for side in sides) if unknown else sides
        self._comparison.put(Pane(start, version, champion))
        self._is_stale = self._is_stale or start < self.running.looked

    def _pair(self, bundle: Watched) -> Pair:
        running = self.running
        rollout = bundle.definition.rollout or (SHADOW if running.role == "shadow" else Rollout())
        return Pair(bundle.model, running.digest, running.champion, running.role, bundle.ranges, rollout)

    def settle(self, start: int, version: Sums, champion: Sums) -> None:
        """Both sides' losses in a pane. A step that is taken is final, as is that of the bet on risk."""
        running = self.running
        if start < max(running.since, running.labelled):
            return
        self._losses = self._losses.after(Pane(start, version, champion), self._design)
        running.labelled, running.losses = start + 1, pack(self._losses)
        self.changed = self._owes = True

    def speak(self) -> list[RolloutCompared]:
        """What the losses change of the last word."""
        if not (self._owes and self._is_whole):
            return []
        self._owes = False
        event = self._look(self.running.looked)
        return [] if event is None else [event]

    def _at(self, end: int, last: RolloutCompared | None, loss: MetricCompared | None = None) -> RolloutCompared | None:
        if self._bundle is None:
            return None
        sofar = self._comparison.at(end)
        whole = replace(sofar, evidence=sofar.evidence.taking("loss", self._losses.evidence))
        return compared(self._pair(self._bundle), whole, end, last, loss)

    def step(self, before: int | None) -> list[RolloutCompared]:
        """What there is to say at the ends of the panes not looked at yet."""
        running, bundle = self.running, self._bundle
        if bundle is None:
            return []
        starts = [start for start in self._comparison.starts() if before is None or start < before]
        ends = [start + bundle.pane for start in starts if start + bundle.pane > running.looked]
        if self._is_stale and (before is None or running.looked <= before):
            self._is_stale = False
            if running.looked > running.until:
                ends.insert(0, running.looked)
        self._is_whole = self._is_whole or before is None
        return [event for end in ends if (event := self._look(end)) is not None]

    def _look(self, end: int) -> RolloutCompared | None:
        running = self.running
        running.looked, self.changed = end, True
        now = self._at(end, running.last)
        labelled = timedelta(microseconds=running.labelled - max(running.told, running.since))
        return self._say(now, end) if now is not None and is_news(running.last, now, labelled) else None

    def _say(self, word: RolloutCompared, end: int) -> RolloutCompared:
        running = self.running
        running.last, running.told = word, running.labelled
        if end > running.until:
            running.open[end] = word
        return word

    def fold(self, time: int) -> list[RolloutCompared]:
        """Fold the panes that end by then, and say the last words on what was said up to there."""
        bundle, running = self._bundle, self.running
        until = None if bundle is None else time // bundle.pane * bundle.pane
        if until is None or until <= running.until or not any(start < until for start in self._comparison.starts()):
            return []
        said = [word for end in sorted(running.open) if end <= until for word in self._settle(end)]
        self._comparison.forget(until)
        running.until, running.base, self.changed = until, pack(self._comparison.base), True
        return said

    def _settle(self, end: int) -> list[RolloutCompared]:
        told = self.running.open.pop(end)
        now = self._at(end, told, next(metric for metric in told.metrics if metric.name == "loss"))
        if now is None or now.comparison_id != told.comparison_id or _content(now) == _content(told):
            return []
        if self.running.last is not None and time_of(self.running.last.end) == end:
            self.running.last = now
        return [now]

    def end(self) -> list[RolloutCompared]:
        """The last word, if it is another than the one before."""
        running = self.running
        now = self._at(running.looked, running.last) if self._is_whole else None
        if now is None or (running.last is not None and _content(now) == _content(running.last)):
            return []
        return [now]


def _content(word: RolloutCompared) -> str:
    return word.model_dump_json(exclude={"id", "revision"})
