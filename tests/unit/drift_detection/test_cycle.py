"""The rule that makes a crash harmless: dead-letters, then state, then offsets, then the word that depends on it."""

from collections import Counter

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.store.merging import read_mergings
from services.drift_detection.store.sources import read_partitions
from shared.batch import decode_batch, encode_batch
from shared.events import DriftDetected, RowsTooLate, WindowClosed
from shared.kafka.admin import DEAD_LETTERS, PREDICTIONS
from tests.unit.drift_detection.cycle_world import (
    BUNDLE,
    EVERY,
    HOMES,
    PARTITIONS,
    Crash,
    Sides,
    World,
    contents,
    incidents,
    live,
    make_world,
    reports,
    said,
    told_of_incidents,
    uninterrupted,
)
from tests.unit.drift_detection.offline import last_words
from tests.unit.drift_detection.pumps import DIGEST, HOUR, batch, fitted, hours


async def test_all_is_said_once_and_nothing_is_left_to_commit() -> None:
    world = await uninterrupted()
    words = [event for event in said(world) if isinstance(event, WindowClosed)]
    assert Counter((word.scale_seconds, word.scale_rows) for word in words) == {
        (None, None): 7,
        (7200, None): 3,
        (None, 50): 3,
    }
    assert sum(isinstance(event, DriftDetected) for event in said(world)) == 1
    assert world.committed == {
        (topic, number): len(messages)
        for topic, log in world.log.items()
        for number, messages in log.items()
        if messages
    }
    assert [message.topic for message in world.sent].count("driftline.dead-letters") == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_crash_at_any_step_changes_no_last_word(seed: int) -> None:
    whole = await uninterrupted()
    last_words_on, last_reports, opened = contents(whole), reports(whole), incidents(whole)
    world = make_world()
    await live(world, seed)
    steps = 10**9 - world.steps_left
    for crash_at in range(seed, steps, EVERY):
        world = make_world()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, seed)
        assert_offsets_are_behind_the_state(world)
        world.steps_left = 10**9
        await live(world, seed + 100)
        assert contents(world) == last_words_on
        assert reports(world) == last_reports
        assert incidents(world) == opened
        assert_all_workers_know_the_incidents(world)
        letters = [message for message in world.sent if message.topic == "driftline.dead-letters"]
        assert 1 <= len(letters) <= 2
        assert {letter.value for letter in letters} == {b"rubbish"}


def assert_all_workers_know_the_incidents(world: World) -> None:
    """What was told last of them is what is stored."""
    homes = read_mergings(
        list(world.models.entries.items()), range(HOMES), lambda number: Merging(number, PARTITIONS, {})
    )
    stored = {model: watch.record.incidents for merging in homes.values() for model, watch in merging.watches.items()}
    assert {told.model: told.incidents for told in told_of_incidents(world)} == stored
    assert stored["pumps"]


def assert_offsets_are_behind_the_state(world: World) -> None:
    states = read_partitions(list(world.sources.entries.items()), range(PARTITIONS))
    homes = read_mergings(
        list(world.models.entries.items()), range(HOMES), lambda number: Merging(number, PARTITIONS, {})
    )
    for (topic, number), offset in world.committed.items():
        assert offset <= (states if topic == PREDICTIONS else homes)[number].offset + 1


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_share_the_partitions_say_what_one_says(seed: int) -> None:
    random, world = np.random.default_rng(seed), make_world()
    workers = [Sides(world, [0], []), Sides(world, [2], [1]), Sides(world, [1], [0])]
    quiet = 0
    while quiet < 9:
        sides = workers[random.integers(len(workers))]
        unread = sides.unread()
        if unread and random.random() < 0.8:
            await sides.take(unread[random.integers(len(unread))])
        else:
            await sides.cycle()
        quiet = 0 if any(worker.unread() for worker in workers) else quiet + 1
    for sides in [*workers, *workers]:
        await sides.cycle()
        for place in sides.unread():
            await sides.take(place)
    for sides in workers:
        await sides.cycle()
    expected = await uninterrupted()
    assert contents(world) == contents(expected)
    assert reports(world) == reports(expected)


async def test_a_replay_for_another_service_is_not_counted_again() -> None:
    world = make_world(unreadable=False)
    mine = world.log[PREDICTIONS][0]
    mine.insert(3, mine[2])
    whole = make_world(unreadable=False)
    await live(whole, seed=1)
    world.headers[PREDICTIONS, 0, 3] = (("driftline-replay-for", b"feature_logging"),)
    await live(world, seed=1)
    assert contents(world) == contents(whole)
    assert world.committed[PREDICTIONS, 0] == len(mine)


async def test_one_that_was_replaced_says_and_stores_nothing_more() -> None:
    world = make_world(unreadable=False)
    sides = Sides(world, [0], [])

    def replaced() -> None:
        raise Crash

    sides._sources._voice.alive = replaced
    await sides.take((PREDICTIONS, 0))
    with pytest.raises(Crash):
        await sides.cycle()
    assert (world.sources.entries, world.sent, world.committed) == ({}, [], {})


async def test_rows_too_late_are_told_by_window_and_rows_in_the_future_are_put_aside_as_a_batch() -> None:
    world = make_world(unreadable=False)
    times, rows, scores = hours(0, 1)
    late = fitted(batch(DIGEST, times, rows, scores), BUNDLE)
    far = times + np.timedelta64(8 * HOUR, "us")
    far[:4] = np.datetime64("2100-01-01T00:00:00", "us")
    future = fitted(batch(DIGEST, far, rows, scores, role="shadow"), BUNDLE)
    world.log[PREDICTIONS][0] += [encode_batch(late), encode_batch(future)]
    await live(world, seed=1)
    [told] = [event for event in said(world) if isinstance(event, RowsTooLate)]
    first = next(word for word in said(world) if isinstance(word, WindowClosed) and word.is_pane)
    assert [(one.start, one.rows, one.window_id) for one in told.windows] == [(first.start, 30, first.window_id)]
    assert (told.role, told.partition, told.offset) == ("champion", 0, len(world.log[PREDICTIONS][0]) - 2)
    [letter] = [message for message in world.sent if message.topic == DEAD_LETTERS]
    kept = decode_batch(letter.value)
    assert (len(kept), kept.meta.role) == (4, "shadow")
    assert dict(letter.headers)["driftline-reason"].startswith(b"event_time: 4 rows")
    words = [word for word in last_words(said(world)).values() if word.is_pane]
    assert sum(word.rows for word in words if word.role == "champion") == 8 * 30
