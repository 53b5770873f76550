"""The event of a comparison, and when there is something new to say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.drift_detection.domain.rollout.band import ALPHA
from services.drift_detection.domain.rollout.comparison import Sofar
from services.drift_detection.domain.rollout.evidence import Design
from services.drift_detection.domain.rollout.rows import Ranges
from services.drift_detection.domain.rollout.verdict import judge, measured
from shared.events.base import stable_id
from shared.events.rollout import MetricCompared, RolloutCompared
from shared.reference.panes import moment
from shared.rollout import Rollout

EVERY = timedelta(hours=1)
MOVED = 0.1  # of a band's width


@dataclass(frozen=True)
class Pair:
    """What is compared, and how; of the version the definition says what is harm."""

    model: str
    digest: str
    champion: str
    role: Literal["canary", "shadow"]
    ranges: Ranges
    rollout: Rollout

    @property
    def design(self) -> Design:
        """How its metrics are compared."""
        return Design.of(self.role)

    def identity(self, start: datetime) -> str:
        """The id of a comparison that began then."""
        return stable_id(self.digest, self.champion, self.role, start.isoformat())


def compared(
    pair: Pair, sofar: Sofar, end: int, last: RolloutCompared | None, loss: MetricCompared | None = None
) -> RolloutCompared | None:
    """What there is to say at the end of a pane (microseconds), after `last`; None before the first pane. `loss` is
    what is said of the loss, if that is not to be worked out.
    """
    if sofar.start is None:
        return None
    found = measured(sofar, pair.design, pair.ranges, pair.rollout)
    metrics = tuple(loss if loss is not None and metric.name == loss.name else metric for metric in found)
    verdict, why = judge(metrics, (sofar.rows, sofar.champion_rows), pair.rollout)
    identity, when = pair.identity(moment(sofar.start)), moment(end)
    revision = last.revision + 1 if last is not None and (last.comparison_id, last.end) == (identity, when) else 0
    return RolloutCompared(
        id=stable_id(identity, "RolloutCompared", when.isoformat(), revision),
        time=when,
        model=pair.model,
        comparison_id=identity,
        revision=revision,
        role=pair.role,
        digest=pair.digest,
        champion_digest=pair.champion,
        start=moment(sofar.start),
        end=when,
        rows=sofar.rows,
        champion_rows=sofar.champion_rows,
        alpha=ALPHA,
        metrics=metrics,
        verdict=verdict,
        why=why,
    )


def is_news(last: RolloutCompared | None, now: RolloutCompared, labelled: timedelta = timedelta()) -> bool:
    """Another verdict is, at once; another band is after an hour of event time, if it moved by a tenth of its width. An
    hour of panes whose labels were settled since, `labelled`, is as good.
    """
    if last is None or last.comparison_id != now.comparison_id or last.verdict != now.verdict:
        return True
    return max(now.end - last.end, labelled) >= EVERY and any(map(_moved, last.metrics, now.metrics))


def _moved(last: MetricCompared, now: MetricCompared) -> bool:
    if last.lower is None or last.upper is None or now.lower is None or now.upper is None:
        return (last.lower is None) != (now.lower is None)
    width = last.upper - last.lower
    return max(abs(now.lower - last.lower), abs(now.upper - last.upper)) > MOVED * width
