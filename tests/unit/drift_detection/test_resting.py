"""Partitions that bring no rows of a model: windows end without them, and what they bring later is told."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.drift_detection.domain.engine import Engine
from services.drift_detection.domain.resting import slowest_clock
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place
from services.drift_detection.domain.source.words import HeadWord
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch, encode_batch
from shared.events import Event, RowsTooLate, WindowClosed, WindowRevised
from shared.kafka.admin import PREDICTIONS
from shared.reference.panes import moment
from tests.unit.drift_detection.cycle_world import APPENDED, BUNDLE, Crash, Sides, World, make_world, said
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, fitted, hours

FIRST = int(START.astype(np.int64))
DAY = 24 * HOUR
BEGIN = FIRST // DAY * DAY + 300 * DAY  # of Kafka's time


class Stream:
    """Two partitions, of which the second is at rest at first; the `messages` taken in."""

    def __init__(self, bundle: Watched = BUNDLE) -> None:
        self.engine = Engine({number: PartitionState(number) for number in range(2)}, {})
        self.offsets = [0, 0]
        self.said: list[Event] = []
        self.messages: list[tuple[Place, PredictionBatch, Watched]] = []
        self._bundle = bundle

    def take(self, partition: int, hour: int, rows: slice, appended: int, *, repeat: bool = False) -> None:
        times, block, scores = hours(hour, 1)
        message = batch(DIGEST, times[rows], block[rows], scores[rows], repeat=repeat)
        place = Place(partition, self.offsets[partition], appended)
        self.messages.append((place, fitted(message, self._bundle), self._bundle))
        self.engine.take(*self.messages[-1])
        self.offsets[partition] += 1

    def speak(self, now: int, at_end: Sequence[int] = (0, 1)) -> list[Event]:
        while self.engine.advance(at_end, 9, now):
            pass
        self.engine.finish()
        watch = self.engine.watch("pumps")
        events = list(watch.outbox)
        watch.sent(len(events))
        self.said += events
        return events

    def n_row_windows(self) -> list[int]:
        return [event.rows for event in self.said if isinstance(event, WindowClosed) and event.scale_rows]


def rested() -> Stream:
    """Ten hours of rows in the first partition on a day of Kafka's, and two days later."""
    stream = Stream()
    for hour in range(10):
        stream.take(0, hour, slice(0, 30), BEGIN)
    stream.speak(BEGIN)
    return stream


def missed(events: Sequence[Event]) -> list[tuple[int, int, int]]:
    told = [event for event in events if isinstance(event, RowsTooLate)]
    return [(event.partition, event.offset, window.rows) for event in told for window in event.windows]


def test_windows_end_without_a_partition_that_never_brings_rows_once_it_was_read_for_two_days_more() -> None:
    stream = rested()
    assert stream.n_row_windows() == []
    stream.speak(BEGIN + DAY)
    assert stream.n_row_windows() == []
    stream.speak(BEGIN + 2 * DAY + HOUR)
    assert stream.n_row_windows() == [60, 60, 60, 60]
    assert len([event for event in stream.said if isinstance(event, WindowClosed) and event.is_pane]) == 9


def test_a_partition_that_was_not_read_so_far_keeps_all_windows() -> None:
    stream = rested()
    stream.speak(BEGIN + 9 * DAY, at_end=[0])
    assert stream.n_row_windows() == []


def test_of_a_busy_partition_its_own_messages_say_up_to_where_it_was_read() -> None:
    heads = [HeadWord(0, 5, clocks={"pumps": 70}, marks={"pumps": {3: 50, 4: 70}}, read=9), HeadWord(1, 5, read=5)]
    assert slowest_clock(heads, "pumps") == 50
    assert slowest_clock([heads[0], HeadWord(1, 5, read=4)], "pumps") is None
    assert slowest_clock([heads[0], HeadWord(1, 5, clocks={"pumps": 60}, read=5)], "pumps") == 60


def test_rows_that_come_after_the_end_are_told_once_by_window() -> None:
    stream = rested()
    now = BEGIN + 3 * DAY
    stream.speak(now)
    stream.take(1, 2, slice(0, 12), now)
    [event] = [one for one in stream.speak(now + HOUR) if isinstance(one, RowsTooLate)]
    first = next(word for word in stream.said if isinstance(word, WindowClosed) and word.is_pane)
    assert missed([event]) == [(1, 0, 12)]
    assert (event.windows[0].start, event.digest, event.role) == (moment(FIRST + 2 * HOUR), DIGEST, "champion")
    assert first.start == moment(FIRST)
    state = stream.engine.partitions[1]
    state.unsent.update(state.partials)  # as after a restart: all is told again
    assert missed(stream.speak(now + HOUR)) == []
    stream.take(1, 2, slice(12, 15), now + HOUR)
    [more] = [one for one in stream.speak(now + 2 * HOUR) if isinstance(one, RowsTooLate)]
    assert missed([more]) == [(1, 1, 3)]
    assert (event.after, more.after) == (-1, 0)
    assert not [event for event in stream.said if isinstance(event, WindowRevised)]


def test_of_a_partition_that_came_to_rest_only_what_its_windows_do_not_have_is_told() -> None:
    stream = Stream()
    stream.take(1, 0, slice(0, 10), BEGIN)
    for hour in range(10):
        stream.take(0, hour, slice(10, 30), BEGIN)
    now = BEGIN + 3 * DAY
    stream.speak(now)
    panes = [event for event in stream.said if isinstance(event, WindowClosed) and event.is_pane]
    assert [event.rows for event in panes][:2] == [30, 20]
    stream.take(1, 0, slice(0, 4), now, repeat=True)
    assert missed(stream.speak(now + HOUR)) == [(1, 1, 0)]
    stream.take(1, 0, slice(0, 4), now)
    assert missed(stream.speak(now + HOUR)) == [(1, 2, 4)]
    stream.take(1, 40, slice(0, 4), now)  # its own clock passes all: there is nothing to remember any more
    for hour in range(36, 41):
        stream.take(0, hour, slice(0, 4), now)
    stream.speak(now + 2 * HOUR)
    assert stream.engine.watch("pumps").record.kept == {}


async def live(world: World, sources: Sequence[int], homes: Sequence[int]) -> None:
    sides = Sides(world, sources, homes)
    sides.now = APPENDED * 1_000_000 + 3 * DAY
    await sides.live(seed=1)


async def told_late() -> World:
    """The third partition has told of seven rows of the first hour, whose window has ended."""
    times, rows, scores = hours(0, 1)
    world = make_world(unreadable=False)
    world.log[PREDICTIONS][2].clear()
    await live(world, range(3), range(2))
    world.log[PREDICTIONS][2].append(encode_batch(fitted(batch(DIGEST, times[:7], rows[:7], scores[:7]), BUNDLE)))
    await live(world, [2], [])
    return world


async def test_a_crash_at_any_step_takes_nothing_from_what_is_told() -> None:
    whole = await told_late()
    before = whole.steps_left
    await live(whole, [], range(2))
    assert missed(said(whole)) == [(2, 0, 7)]
    for crash_at in range(before - whole.steps_left):
        world = await told_late()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await live(world, [], range(2))
        world.steps_left = 10**9
        await live(world, [], range(2))
        assert missed(list({event.id: event for event in said(world)}.values())) == [(2, 0, 7)]
