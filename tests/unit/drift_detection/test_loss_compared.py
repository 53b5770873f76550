"""Losses of a canary and a shadow against the champion's, as their labels are settled."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_sources import LabelSources
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.sums import PLACE, Sums
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.watched import Watched
from services.drift_detection.store.labels import window_entries
from services.drift_detection.store.merging import head_entry, model_entry, part_entry, read_mergings
from shared.batch import Role
from shared.events import RolloutCompared
from shared.events.governance import CanaryShare
from shared.events.rollout import MetricCompared
from shared.outcomes import OutcomeBatch
from shared.rollout import Rollout
from shared.subjects import GROUPS, group
from tests.unit.drift_detection.lives import deployed
from tests.unit.drift_detection.performance.flow import DIGEST, FAR, FIRST, bare, hours, outcome_batch, part, told
from tests.unit.drift_detection.performance.flow import watched as champion
from tests.unit.drift_detection.pumps import HOUR, batch, fitted

OTHER = "b" * 64
HOURS = 16


@cache
def version() -> Watched:
    stated = told().model_copy(update={"rollout": Rollout(min_rows=100, margins={"loss": 0.01})})
    return Watched(OTHER, stated, champion().reference)


def bundle(role: str) -> Watched:
    return champion() if role == "champion" else version()


class Beside:
    """A champion and a version beside it through both sides, whose scores are `harm` of the way to telling nothing."""

    role: Role

    def __init__(self, role: Role, harm: float) -> None:
        self.role, self.harm = role, harm
        self.catalogue = {DIGEST: champion(), OTHER: version()}
        self.merging = Merging(0, 1, self.catalogue, 1)
        self.sources = Sources({0: PartitionState(0)}, self.catalogue, 1)
        self.labels = LabelSources({0: -1}, homes=1)
        self.merging.deployed(deployed(**self._beside()))
        self.said: list[RolloutCompared] = []
        self._rows = self._sequence = 0

    def _beside(self) -> dict[str, Any]:
        return (
            {"shadow": OTHER}
            if self.role == "shadow"
            else {"canary": CanaryShare(digest=OTHER, share=0.5), "salt": "1"}
        )

    def _batches(self, hour: int) -> Iterator[OutcomeBatch]:
        """Its labels: of a canary's the other half of the requests than the champion's."""
        times, scores, labels = hours(hour, 1)
        worse = ((1 - self.harm) * scores + self.harm * 0.5).astype(np.float32)
        keys = [f"{hour:08}{number:08}".encode() for number in range(len(times))]
        own = replace(outcome_batch(times, scores, labels), request_id=keys)
        other = replace(outcome_batch(times, worse, labels, digest=OTHER, role=self.role), request_id=keys)
        if self.role == "shadow":
            yield from (own, replace(other, champion_scores=scores))
        else:
            yield from (_half(own, 0), _half(other, 1))

    def predict(self, hour: int) -> None:
        for labelled in self._batches(hour):
            meta = labelled.meta
            rows = bare(len(labelled))
            answers = batch(meta.digest, labelled.event_time, rows, labelled.scores, role=meta.role)
            answers = replace(answers, request_id=labelled.request_id, champion_scores=labelled.champion_scores)
            message = fitted(answers, bundle(meta.role))
            self.sources.take(Place(0, self._rows, FAR), message, bundle(meta.role))
            self._rows += 1

    def label(self, hour: int) -> None:
        """Some labels are wrong at first, and mended by the next message."""
        for labelled in self._batches(hour):
            wrong = np.arange(len(labelled)) % 5 == 0
            first = replace(labelled, label=np.where(wrong, 1 - labelled.label, labelled.label))
            keys = [key for key, is_wrong in zip(labelled.request_id, wrong, strict=True) if is_wrong]
            again = replace(_cut(labelled, wrong), replaced=1 - labelled.label[wrong], request_id=keys)
            for message in (first, again):
                self._send(message)

    def _send(self, message: OutcomeBatch) -> None:
        message = replace(message, meta=replace(message.meta, sequence=self._sequence))
        self.labels.take(Place(0, self._sequence, FAR), message, bundle(message.meta.role))
        self._sequence += 1

    def cycle(self) -> None:
        for _, word in self.sources.words([0]):
            self.merging.take(word)
        for _, told_of in self.labels.words([0]):
            self.merging.labels.take(told_of)
        while self.merging.advance(1_000):
            pass
        watch = self.merging.watch("pumps")
        self.said += [event for event in watch.outbox if isinstance(event, RolloutCompared)]
        watch.sent(len(watch.outbox))

    def restart(self) -> None:
        """The models' side is read from what it stored."""
        old, watch = self.merging, self.merging.watch("pumps")
        watch.labels.changed.update(watch.labels.windows)
        parts = [part_entry(old, key, source) for key, sources in old.parts.items() for source in sources]
        entries = [*window_entries(old), *parts, head_entry(old), model_entry(0, watch.store())]
        self.merging = read_mergings(entries, [0], lambda number: Merging(number, 1, self.catalogue, 1))[0]

    def loss(self) -> MetricCompared:
        return next(metric for metric in self.said[-1].metrics if metric.name == "loss")

    def offline(self, until: int) -> Evidence:
        """Of the true labels of so many hours at once."""
        evidence = Evidence.nothing()
        for hour in range(until):
            sides = [Sums.empty(), Sums.empty()]
            for labelled in self._batches(hour):
                _add_losses(sides[labelled.meta.role == "champion"], labelled)
            evidence = evidence.after(sides[0], sides[1], Design.of("shadow" if self.role == "shadow" else "canary"))
        return evidence


def _half(batch_of_all: OutcomeBatch, which: int) -> OutcomeBatch:
    chosen = np.arange(len(batch_of_all)) % 2 == which
    keys = [key for key, mine in zip(batch_of_all.request_id, chosen, strict=True) if mine]
    return replace(_cut(batch_of_all, chosen), request_id=keys)


def _cut(message: OutcomeBatch, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> OutcomeBatch:
    cut = part(message, chosen)
    beside = message.champion_scores
    return cut if beside is None else replace(cut, champion_scores=beside[chosen])


def _add_losses(sums: Sums, labelled: OutcomeBatch) -> None:
    groups = np.array([group(key) for key in labelled.request_id], dtype=np.int64)
    sides = [labelled.scores] if labelled.champion_scores is None else [labelled.scores, labelled.champion_scores]
    own, *beside = [
        np.rint((scores[:, 0].astype(np.float64) - labelled.label) ** 2 * 2**16).astype(np.int64) for scores in sides
    ]
    assert groups.max() < GROUPS
    sums.add(PLACE["loss"], groups, own - beside[0] if beside else own, beside[0] if beside else None)


@pytest.mark.parametrize("role", ["shadow", "canary"])
def test_a_version_of_greater_loss_is_worse_once_its_labels_are_settled(role: Role) -> None:
    life = Beside(role, harm=0.8)
    for hour in range(HOURS):
        life.predict(hour)
        life.cycle()
    assert {word.verdict for word in life.said} == {"not_yet"}
    assert (life.said[-1].why, life.loss().rows) == ("loss is not known yet", 0)
    before = len(life.said)
    for hour in range(HOURS):
        life.label(hour)
        life.cycle()
    assert len(life.said) > before
    assert life.said[-1].verdict == "worse"
    assert life.said[-1].why.startswith("loss is surely over its margin")
    settled = life.merging.watch("pumps").record.rollout.running[0].labelled // HOUR + 1 - FIRST // HOUR
    assert 5 < settled < HOURS
    offline, place = life.offline(settled), PLACE["loss"]
    sure = life.loss()
    assert sure.difference is not None
    spread = 2 if role == "shadow" else 1
    assert sure.rows <= offline.seen[0][place]
    stored = life.merging.watch("pumps")._rollout._trials[0]._losses.evidence  # what all further words are made of
    for name, value in vars(offline).items():
        np.testing.assert_allclose(getattr(stored, name), value, rtol=1e-12, err_msg=name)
    assert sure.difference == pytest.approx(spread * offline.gain[place] / offline.weight[place], abs=0.02)


def test_an_equal_shadow_is_found_better_by_labels_and_a_restart_changes_no_word() -> None:
    lives = [Beside("shadow", harm=0.0), Beside("shadow", harm=0.0)]
    for life in lives:
        for hour in range(HOURS + 6):
            life.predict(hour)
            life.label(hour)
            life.cycle()
            if life is lives[1] and hour % 3 == 1:
                life.restart()
    straight, restarted = ({word.id: word for word in life.said} for life in lives)
    assert straight == restarted
    assert lives[0].said[-1].verdict == "better"
    assert lives[0].loss().difference == 0


def test_a_shadows_labels_without_the_champions_score_say_nothing() -> None:
    life = Beside("shadow", harm=0.8)
    for hour in range(HOURS):
        life.predict(hour)
        for labelled in life._batches(hour):
            life._send(replace(labelled, champion_scores=None))
        life.cycle()
    assert life.said[-1].why == "loss is not known yet"
