"""Comparisons of versions through both sides."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.reports.trial import SHADOW
from services.drift_detection.domain.rollout.announce import Pair, compared
from services.drift_detection.domain.rollout.comparison import Comparison, Pane, Sofar
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.rows import Answers, add_rows
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.source.words import PartWord
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from shared.events import RolloutCompared
from shared.reference.panes import moment, time_of
from tests.unit.drift_detection.lives import FIRST, OTHER, Life, Message, deployed, shadows
from tests.unit.drift_detection.pumps import DIGEST, HOUR, batch, hours, watched


def offline(messages: Sequence[Message], until: int) -> RolloutCompared:
    """Of all rows of panes that end by then."""
    panes: dict[int, list[Sums]] = {}
    for _, message in messages:
        times = message.event_time.astype(np.int64)
        for start in sorted(set((times // HOUR * HOUR).tolist())):
            if start + HOUR <= until:
                sides = panes.setdefault(start, [Sums.empty(), Sums.empty()])
                side = sides[message.meta.role == "champion"]
                add_rows(side, Answers.of(message)[times // HOUR * HOUR == start], watched().ranges)
    comparison = Comparison(Sofar(Evidence.nothing()), Design.of("shadow"))
    for start, (version, champion) in panes.items():
        comparison.put(Pane(start, version, champion))
    pair = Pair("pumps", OTHER, DIGEST, "shadow", watched().ranges, SHADOW)
    word = compared(pair, comparison.sofar(), until, None)
    assert word is not None
    return word


def without_revision(word: RolloutCompared) -> str:
    return word.model_dump_json(exclude={"id", "revision"})


def last_words(said: Sequence[RolloutCompared]) -> dict[int, RolloutCompared]:
    return {time_of(word.end): word for word in sorted(said, key=lambda word: word.revision)}


@pytest.mark.parametrize("late_deployment", [False, True])
def test_a_shadow_that_is_worse_is_told_and_each_word_equals_its_recomputation(late_deployment: bool) -> None:
    life, messages = Life(), shadows(60, 0.3)
    if not late_deployment:
        life.engine.deployed(deployed(shadow=OTHER))
    for number, message in enumerate(messages):
        life.take(message)
        if number % 5 == 4:
            life.speak(finish=not late_deployment)
        if late_deployment and number == 30:
            life.engine.deployed(deployed(shadow=OTHER))
    life.speak()
    words = life.compared()
    assert words[0].verdict == "not_yet"
    assert words[-1].verdict == "worse"
    assert "error" in words[-1].why
    assert {metric.name for metric in words[-1].metrics if metric.margin is not None} == {"error"}
    for end, word in last_words(words).items():
        assert without_revision(word) == without_revision(offline(messages, end))


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_come_late_end_in_the_words_of_a_recomputation(seed: int) -> None:
    messages = shadows(60, 0.3)
    random = np.random.default_rng(seed)
    shuffled = [messages[at] for at in np.argsort(np.arange(len(messages)) + random.uniform(0, 3, len(messages)))]
    life = Life()
    life.engine.deployed(deployed(shadow=OTHER))
    for message in shuffled:
        life.take(message)
        if random.random() < 0.5:
            life.speak()
    life.take((0, batch(DIGEST, *hours(64, 1))), (1, batch(DIGEST, *hours(64, 1))))
    life.speak()
    late = life.engine.tallies()
    assert sum(tally.too_late for tally in late.values()) == 0
    words = last_words(life.compared())
    assert words
    identity = life.compared()[-1].comparison_id
    for end, word in words.items():
        if word.comparison_id == identity and end <= FIRST + 60 * HOUR:
            assert without_revision(word) == without_revision(offline(messages, end))


def test_an_equal_shadow_is_not_called_worse_and_not_told_each_hour() -> None:
    life = Life()
    life.engine.deployed(deployed(shadow=OTHER))
    for message in shadows(60, 0.0):
        life.take(message)
        life.speak()
    words = life.compared()
    assert {word.verdict for word in words} <= {"not_yet", "better"}
    assert len(words) < 60


def test_another_deployment_ends_a_comparison_with_its_last_word_and_it_begins_anew_later() -> None:
    life, messages = Life(), shadows(40, 0.3)
    life.engine.deployed(deployed(1, shadow=OTHER))
    for message in messages[:40]:
        life.take(message)
        life.speak()
    life.engine.deployed(deployed(2))
    life.speak()
    count = len(life.compared())
    assert without_revision(life.compared()[-1]) == without_revision(offline(messages, FIRST + 19 * HOUR))
    for message in messages[40:60]:
        life.take(message)
        life.speak()
    assert len(life.compared()) == count
    life.engine.deployed(deployed(3, shadow=OTHER))
    for message in messages[60:]:
        life.take(message)
        life.speak()
    again = life.compared()[count:]
    assert again
    assert {word.comparison_id for word in again}.isdisjoint({word.comparison_id for word in life.compared()[:count]})
    assert all(word.start >= moment(FIRST + 19 * HOUR) for word in again)


def test_a_comparison_goes_on_after_a_restart_as_if_there_was_none() -> None:
    straight, restarted, messages = Life(), Life(), shadows(30, 0.3)
    for life in (straight, restarted):
        life.engine.deployed(deployed(shadow=OTHER))
    for number, message in enumerate(messages):
        for life in (straight, restarted):
            life.take(message)
            life.speak()
        if number % 7 == 6:
            restart(restarted)
    assert [event.model_dump_json() for event in restarted.compared()] == [
        event.model_dump_json() for event in straight.compared()
    ]


def restart(life: Life) -> None:
    """The side of the models is put up again from its record and the parts under way."""
    old = life.engine._merging
    again = Merging(0, 2, life.engine.catalogue)
    record = ModelRecord.model_validate_json(old.watch("pumps").store().model_dump_json())
    again.watches["pumps"] = ModelWatch(record)
    again.heads = old.heads
    for key, parts in old.parts.items():
        for source, part in parts.items():
            again.restore(PartWord(old.models[key.digest], source, key, part))
    life.engine._merging = again
