"""Labels of a model with a calibration on their way: its bundle, hours of outcomes, and both sides in one process."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_sources import LabelSources
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.source.words import HeadWord
from services.drift_detection.domain.watched import Watched
from shared.batch import Meta, Role
from shared.definition import Label, ModelDefinition
from shared.events import Event
from shared.features import Float32, Rows
from shared.monitoring import Monitoring
from shared.outcomes import OutcomeBatch
from shared.reference import build_reference
from tests.unit.drift_detection.performance.cases import HOUR, START, Float64, definition

DIGEST = "a" * 64
DELAY = 4  # hours, of labels
PER_HOUR = 200
FIRST = int(START.astype(np.int64))
FAR = FIRST + 10_000 * HOUR


@cache
def told() -> ModelDefinition:
    """A model whose labels come within four hours."""
    monitoring = Monitoring(pane_seconds=3600, lateness_seconds=3600, nominal_rows=PER_HOUR, scales=())
    return definition("binary").model_copy(
        update={"label": Label(name="y", kind="binary", expected_delay_hours=DELAY), "monitoring": monitoring}
    )


def hours(
    first: int, count: int, *, flipped: float = 0.0, per_hour: int = PER_HOUR
) -> tuple[NDArray[np.datetime64], Float32, Float64]:
    """Event times, scores float32 [n, 1] and labels float64 [n] of so many hours; `flipped` is the share of labels that
    a change of concept turns round, which no feature and no score shows.
    """
    times, scores, labels = [], [], []
    for hour in range(first, first + count):
        random = np.random.default_rng(50_000 + hour)
        chance = 1 / (1 + np.exp(-random.normal(0, 1.5, per_hour)))
        label = (random.random(per_hour) < chance) != (random.random(per_hour) < flipped)
        times.append(START + (hour * HOUR + np.sort(random.integers(0, HOUR, per_hour))).astype("timedelta64[us]"))
        scores.append(chance[:, None].astype(np.float32))
        labels.append(label.astype(np.float64))
    return np.concatenate(times), np.concatenate(scores), np.concatenate(labels)


@cache
def watched() -> Watched:
    """The bundle; its reference are the 100 hours before START."""
    times, scores, labels = hours(-100, 100)
    rows = bare(len(times))
    return Watched(DIGEST, told(), build_reference(rows, times, scores, told(), {}, labels=labels))


def bare(count: int) -> Rows:
    """A feature that says nothing."""
    values = np.random.default_rng(count).normal(0, 1, (count, 1)).astype(np.float32)
    return Rows(values, np.zeros((count, 0), np.int32))


def outcome_batch(
    times: NDArray[np.datetime64],
    scores: Float32,
    labels: Float64,
    *,
    lag_hours: float | Float64 = 1.0,
    replaced: Float64 | None = None,
    sequence: int = 0,
    digest: str = DIGEST,
    role: Role = "champion",
    producer: str = "driftline.labels/0",
) -> OutcomeBatch:
    """A message of labels."""
    count = len(labels)
    lag = (np.broadcast_to(lag_hours, count) * HOUR).astype("timedelta64[us]")
    return OutcomeBatch(
        meta=Meta("pumps", digest, told().digest, role, producer, sequence, count),
        request_id=[bytes(16)] * count,
        row=np.arange(count, dtype=np.int32),
        event_time=times,
        label=labels,
        label_time=times + lag,
        business=np.zeros(count, np.bool_),
        replaced=np.full(count, np.nan) if replaced is None else replaced,
        scores=scores,
        source_partition=np.zeros(count, np.int32),
        source_offset=np.zeros(count, np.int64),
    )


def part(batch: OutcomeBatch, chosen: NDArray[np.bool_] | slice) -> OutcomeBatch:
    """The chosen rows, bool [n] or a slice."""
    cut: dict[str, Any] = {name: value[chosen] for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
    return replace(batch, **cut, request_id=[bytes(16)] * len(cut["row"]))


class Flow:
    """Both sides; messages are appended to partitions of the outcomes one after another."""

    def __init__(self, partitions: int = 1) -> None:
        self.bundle = bundle = watched()
        self.sources = LabelSources(dict.fromkeys(range(partitions), -1), homes=1)
        self.merging = Merging(0, 1, {bundle.digest: bundle}, partitions)
        self.merging.take(HeadWord(0, offset=0, at_end=True))  # of the predictions' one message
        self._offsets = dict.fromkeys(range(partitions), 0)

    def send(self, batch: OutcomeBatch, partition: int = 0) -> None:
        """Append a message and take it in."""
        self.sources.take(Place(partition, self._offsets[partition], FAR), batch, self.bundle)
        self._offsets[partition] += 1

    def cycle(self, at_end: Collection[int] | None = None) -> list[Event]:
        """Tell and advance; what was said."""
        everything = list(self.sources.partitions) if at_end is None else at_end
        for _, word in self.sources.words(everything):
            self.merging.labels.take(word)
        while self.merging.advance(1_000):
            pass
        watch = self.merging.watch("pumps")
        events, watch.outbox = list(watch.outbox), []
        return events

    def predict(self, starts: Sequence[int], rows: int = PER_HOUR) -> None:
        """What the windows of these hours hold."""
        for hour in starts:
            key = WindowKey(FIRST + hour * HOUR, self.bundle.digest, "champion")
            self.merging.watch("pumps").labels.predicted(key, rows, self.bundle)
