"""Labels on their way through both sides survive a crash at any step: each counts once."""

import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_sources import LabelSources
from services.drift_detection.domain.source.words import HeadWord
from services.drift_detection.domain.watched import Watched
from services.drift_detection.store.labels import decode_label_word, read_sources
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.stream.cycle import ModelCycle
from services.drift_detection.stream.intake import WordIntake
from services.drift_detection.stream.labels import LabelCycle, LabelIntake
from services.drift_detection.stream.voice import Voice
from shared.errors import Unreadable
from shared.events import PerformanceMeasured
from shared.kafka.admin import DEAD_LETTERS, OUTCOMES, PARTIALS
from shared.outcomes import encode_outcomes
from tests.unit.drift_detection.cycle_world import SIGNER, Crash, Process, Shelf, Table, World, alive, said
from tests.unit.drift_detection.offline import newest
from tests.unit.drift_detection.performance.cases import HOUR
from tests.unit.drift_detection.performance.flow import FAR, hours, outcome_batch, watched

PARTITIONS = 2
EVERY = 3


def make_world() -> World:
    """Ten hours of labels over two partitions, one message sent twice by its writer, one that is no batch, and one of a
    bundle that nobody has.
    """
    log: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for hour in range(10):
        place = hour % PARTITIONS
        about = {"sequence": hour, "producer": f"driftline.labels/{place}"}
        log[place].append(encode_outcomes(outcome_batch(*hours(hour, 1, per_hour=20), **about)))  # type: ignore[arg-type]
    for place in range(PARTITIONS):
        about = {"sequence": 20, "producer": f"driftline.labels/{place}"}
        log[place].append(encode_outcomes(outcome_batch(*hours(60, 1, per_hour=1), **about)))  # type: ignore[arg-type]
    log[0].insert(2, log[0][1])
    log[1].insert(1, b"rubbish")
    log[1].insert(3, encode_outcomes(outcome_batch(*hours(0, 1, per_hour=1), digest="f" * 64)))
    world = World({})
    world.log = {OUTCOMES: log, PARTIALS: {0: []}}
    return world


class Sides(Process):
    """One life of a process, restored from what was stored. `outcomes` is the table of how far outcomes were told."""

    def __init__(self, world: World, outcomes: Table) -> None:
        self.world = world
        told = read_sources(list(outcomes.entries.items()), range(PARTITIONS))
        stored = list(world.models.entries.items())
        catalogue: dict[str, Watched] = {}
        mergings = read_mergings(stored, [0], lambda number: Merging(number, 1, catalogue, PARTITIONS))
        mergings[0].take(HeadWord(0, offset=0, at_end=True))  # of the predictions' one message
        self.labels = LabelIntake(LabelSources(told, homes=1), Shelf(watched()))  # type: ignore[arg-type]
        self.words = WordIntake(mergings, catalogue, Shelf(watched()))  # type: ignore[arg-type]
        voice = Voice(world, SIGNER, alive)  # type: ignore[arg-type]
        self._cycles = LabelCycle(self.labels, outcomes, voice), ModelCycle(self.words, world.models, voice)
        self.following = {(OUTCOMES, number): offset + 1 for number, offset in told.items()}
        self.following[PARTIALS, 0] = mergings[0].offset + 1

    async def take(self, place: tuple[str, int]) -> None:
        event = self.world.read(*place, self.following[place])
        event.message.timestamp = FAR / 1_000_000
        await (self.labels if place[0] == OUTCOMES else self.words).take(event)
        self.following[place] += 1

    async def cycle(self) -> None:
        unread = self.unread()
        labels, models = self._cycles
        await labels.run([number for number in range(PARTITIONS) if (OUTCOMES, number) not in unread])
        await models.run()


async def live(world: World, outcomes: Table, seed: int) -> None:
    await Sides(world, outcomes).live(seed, quiet_cycles=4)


def last_words(world: World) -> dict[str, tuple[object, ...]]:
    """What the last word on each window says of its labels; no two words of one id differ."""
    last = newest(said(world), PerformanceMeasured)
    return {
        name: (word.final, word.labelled, word.unfit, [metric.realised for metric in word.metrics])
        for name, word in last.items()
    }


@pytest.mark.parametrize("seed", range(2))
async def test_a_crash_at_any_step_loses_no_label_and_counts_none_twice(seed: int) -> None:
    expected = make_world()
    await live(expected, Table(expected), seed=0)
    words = last_words(expected)
    assert [word[:3] for word in words.values() if word[0]] == [(True, 20, 0)] * 10
    world = make_world()
    await live(world, Table(world), seed)
    steps = 10**9 - world.steps_left
    for crash_at in range(seed, steps, EVERY):
        world = make_world()
        table = Table(world)
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, table, seed)
        world.steps_left = 10**9
        await live(world, table, seed + 100)
        assert last_words(world) == words
        letters = {message.value for message in world.sent if message.topic == DEAD_LETTERS}
        assert len(letters) == 2


async def test_what_no_window_needs_is_forgotten() -> None:
    world = make_world()
    await live(world, Table(world), seed=3)
    kept = [key for key in world.models.entries if b"/labels/" in key]
    assert len(kept) == 1  # the hour of the last labels


async def test_labels_whose_times_can_not_be_true_are_put_aside() -> None:
    world = make_world()
    times, scores, labels = hours(0, 1, per_hour=5)
    future = outcome_batch(times, scores, labels, lag_hours=FAR / HOUR, producer="late")
    world.log[OUTCOMES][0].append(encode_outcomes(future))
    await live(world, Table(world), seed=1)
    reasons = [dict(message.headers)["driftline-reason"] for message in world.sent if message.topic == DEAD_LETTERS]
    assert sum(b"of 5 labels" in reason for reason in reasons) == 1


@pytest.mark.parametrize(
    "value", [b'{"labels": 3}', b'{"labels": [9, 0, 1, true, []]}', b'{"labels": [0, 0, 1, true, [[1]]]}']
)
def test_a_word_that_is_none_is_told_as_unreadable(value: bytes) -> None:
    with pytest.raises(Unreadable, match="word of labels"):
        decode_label_word(value, Merging(0, 0, {}, 1).labels.heads)
