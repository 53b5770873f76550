"""An engine that hears messages and speaks now and then, and a champion with its shadow."""

from dataclasses import replace
from typing import Any

import numpy as np

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place
from shared.batch import PredictionBatch
from shared.events import DataQualityReported, DeploymentChanged, Event, RolloutCompared
from shared.events.base import stable_id
from shared.reference.panes import moment
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR
OTHER = "b" * 64
BUNDLES = {DIGEST: watched(), OTHER: watched(OTHER)}
Message = tuple[int, PredictionBatch]


class Life:
    """An engine of two partitions, and all that it says."""

    def __init__(self) -> None:
        self.engine = Engine({number: PartitionState(number) for number in range(2)}, {})
        self.offsets = [0, 0]
        self.said: list[Event] = []
        for bundle in BUNDLES.values():
            self.engine.know(bundle)

    def take(self, *messages: Message) -> None:
        for partition, message in messages:
            place = Place(partition, self.offsets[partition], NOW)
            self.offsets[partition] += 1
            try:
                self.engine.take(place, message, BUNDLES[message.meta.digest])
            except Misfit as refused:
                self.engine.refuse(place, refused)

    def speak(self, *, finish: bool = True) -> None:
        while self.engine.advance({0, 1}, 3):
            pass
        if finish:
            self.engine.finish()
        for watch in self.engine.watches.values():
            self.said += watch.outbox
            watch.sent(len(watch.outbox))

    def reports(self) -> list[DataQualityReported]:
        return [event for event in self.said if isinstance(event, DataQualityReported)]

    def compared(self) -> list[RolloutCompared]:
        return [event for event in self.said if isinstance(event, RolloutCompared)]


def deployed(revision: int = 1, **beside: Any) -> DeploymentChanged:
    return DeploymentChanged(
        id=stable_id(revision),
        model="pumps",
        time=moment(FIRST),
        revision=revision,
        champion=DIGEST,
        previous=None,
        approval_id=stable_id("approval", revision),
        **beside,
    )


def shadows(count: int, harm: float) -> list[Message]:
    """So many hours of a champion and of its shadow, whose score fails to be a number in that share of rows."""
    made: list[Message] = []
    for hour in range(count):
        times, rows, scores = hours(hour, 1)
        whole = batch(DIGEST, times, rows, scores)
        names: list[str | None] = [f"pump {(hour * 30 + number) % 60}" for number in range(len(times))]
        whole = replace(whole, entity=names, meta=replace(whole.meta, failed=()))
        broken = scores.copy()
        broken[np.random.default_rng(hour).random(len(times)) < harm] = np.nan
        meta = replace(whole.meta, digest=OTHER, role="shadow")
        made.append((hour % 2, whole))
        made.append((hour % 2, replace(whole, meta=meta, scores=broken, champion_scores=scores)))
    return made
