from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.drift_detection.domain.engine import Engine, Place
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.events import DataQualityReported, Event, WindowClosed, WindowRevised, stable_id
from shared.reference.panes import day_bounds, local_day, moment
from tests.unit.drift_detection.offline import Offline, contents_of, last_words
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, batches, fitted, hours, watched_with

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR
Message = tuple[int, PredictionBatch]
SEGMENTS = ("all", "site=north", "site=south")
SETTING = watched_with(("site",), (7_200, 21_600, 86_400), 200)


def messages(count: int, size: int = 10) -> list[Message]:
    """So many hours, in messages of `size` rows, in turn over two partitions."""
    times, rows, scores = hours(0, count)
    return [(n % 2, one) for n, one in enumerate(batches(DIGEST, times, rows, scores, size))]


def run(sent: Sequence[Message], bundle: Watched, every: int = 7) -> list[Event]:
    """What is said when these come, and whenever so many have come."""
    engine = Engine({number: PartitionState(number) for number in range(2)}, {})
    offsets = [0, 0]
    said: list[Event] = []
    for count, (partition, message) in enumerate(sent, 1):
        engine.take(Place(partition, offsets[partition], NOW), fitted(message, bundle), bundle)
        offsets[partition] += 1
        if count % every == 0 or count == len(sent):
            while engine.advance({0, 1} if count == len(sent) else set(), 3):
                pass
            engine.finish()
            said += [event for event in engine.watch("pumps").outbox if not isinstance(event, DataQualityReported)]
            engine.watch("pumps").outbox.clear()
    return said


def newest(sent: Sequence[Message]) -> int:
    return max(int(message.event_time.max().astype(np.int64)) for _, message in sent)


def shuffled(sent: Sequence[Message], seed: int) -> list[Message]:
    """Each message up to three places away."""
    random = np.random.default_rng(seed)
    return [sent[at] for at in np.argsort(np.arange(len(sent)) + random.uniform(0, 4, len(sent)))]


def test_windows_of_all_segments_and_scales_are_those_of_an_offline_recomputation() -> None:
    sent = messages(54)
    said = run(sent, SETTING)
    Offline([message for _, message in sent], SETTING).assert_said(said, newest(sent), SEGMENTS)


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_within_lateness_the_last_words_are_the_same(seed: int) -> None:
    sent = messages(50, size=5)
    mixed = shuffled(sent, seed)
    assert [id(one) for _, one in mixed] != [id(one) for _, one in sent]
    other = run(mixed, SETTING, every=1)
    assert contents_of(other) == contents_of(run(sent, SETTING))
    assert any(isinstance(word, WindowRevised) for word in last_words(other).values())


def test_rows_sent_again_and_marked_as_repeats_change_no_content() -> None:
    sent = messages(60)
    again = [(part, batch(DIGEST, m.event_time, m.rows, m.scores, repeat=True)) for part, m in sent]
    twice = [one for pair in zip(sent, again, strict=True) for one in pair]
    assert contents_of(run(twice, SETTING)) == contents_of(run(sent, SETTING))


def test_a_coarser_window_is_revised_when_a_row_comes_late_and_only_then() -> None:
    sent = messages(9)
    partition, late = sent.pop(3 * 3 + 2)  # a third of the hour 3
    at = 5 * 3 - 1  # its hour has ended, so have two windows of two hours
    said = run([*sent[:at], (partition, late), *sent[at:]], watched_with(scales=(7_200,)), every=1)
    told = [event for event in said if isinstance(event, WindowClosed | WindowRevised) and event.scale_seconds]
    assert [(event.revision, (event.start - moment(FIRST)) // timedelta(hours=1), event.rows) for event in told] == [
        (0, 0, 60),
        (0, 2, 50),
        (1, 2, 60),
        (0, 4, 60),
        (0, 6, 60),
    ]
    assert told[1].window_id == told[2].window_id


def test_windows_of_rows_are_successive_panes_until_they_hold_so_many() -> None:
    sent = messages(40)
    told = [event for event in run(sent, SETTING) if isinstance(event, WindowClosed) and event.scale_rows]
    whole = [event for event in told if event.segment == "all"]
    assert {event.rows for event in whole} == {210}  # seven panes of thirty: six have less than 200
    assert [event.start for event in whole[1:]] == [event.end for event in whole[:-1]]
    assert whole[0].start == moment(FIRST)
    assert all(event.rows >= 200 for event in told)
    assert {event.segment for event in told} == set(SEGMENTS)


def test_a_day_is_a_local_day_also_when_the_clock_changes() -> None:
    zone = ZoneInfo("Europe/Zurich")
    for day, count in (("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)):
        noon = int(np.datetime64(f"{day}T12:00:00", "us").astype(np.int64))
        start, end = day_bounds(local_day(noon, zone.key), zone.key, 3_600)
        assert (end - start) // HOUR == count
        assert str(moment(start).astimezone(zone)).startswith(f"{day} 00:00:00")


def test_where_midnight_is_no_start_of_a_pane_a_day_has_the_panes_that_start_in_it() -> None:
    start, end = day_bounds(local_day(FIRST, "Asia/Kolkata"), "Asia/Kolkata", 3_600)
    assert moment(start).isoformat() == "2026-02-28T19:00:00+00:00"  # midnight is at 18:30
    assert end - start == 24 * HOUR


def test_without_segments_and_scales_only_panes_are_said() -> None:
    said = run(messages(30), watched_with())
    assert {(word.segment, word.is_pane) for word in last_words(said).values()} == {("all", True)}
    assert len(last_words(said)) == 29


def test_ids_of_windows_of_all_rows_are_what_they_were_before_there_were_segments() -> None:
    told = last_words(run(messages(3), SETTING)).values()
    [first] = [word for word in told if word.start == moment(FIRST) and word.is_pane and word.is_whole]
    assert first.window_id == stable_id(DIGEST, "champion", "all", "2026-03-01T00:00:00+00:00", 3_600)
    assert len({word.window_id for word in told}) == len(told)


def test_memory_is_bounded_by_the_lateness() -> None:
    engine = Engine({number: PartitionState(number) for number in range(2)}, {})
    sizes = []
    for count, (partition, message) in enumerate(messages(120)):
        engine.take(Place(partition, count // 2, NOW), fitted(message, SETTING), SETTING)
        while engine.advance(set(), 50):
            pass
        engine.finish()
        engine.watch("pumps").outbox.clear()
        merging = engine._merging
        record = engine.watch("pumps").record
        folds = len(merging.scales["pumps"].folds)
        sizes.append((len(merging.parts), folds, len(record.scales), len(engine.partitions[0].partials)))
    first, last = np.array(sizes[60:210]).max(axis=0), np.array(sizes[210:]).max(axis=0)
    assert (last <= first).all(), (first, last)
