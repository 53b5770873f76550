from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.source.words import HeadWord, PartWord, Word, home_of
from services.drift_detection.domain.watched import Watched
from shared.errors import Unreadable
from shared.events import WindowClosed, WindowRevised
from shared.reference import Sketch
from shared.reference.panes import moment
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR
CATALOGUE = {DIGEST: watched()}


def side(partition: int) -> Sources:
    return Sources({partition: PartitionState(partition)}, dict(CATALOGUE), 1)


def said(sources: Sources, *parts: tuple[int, slice], at_end: bool = False, first: int = 0) -> list[Word]:
    """What a side tells after it took in these rows of these hours, a message each."""
    [partition] = sources.partitions
    for number, (hour, rows_of) in enumerate(parts):
        times, rows, scores = hours(hour, 1)
        message = batch(DIGEST, times[rows_of], rows[rows_of], scores[rows_of])
        sources.take(Place(partition, first + number, NOW), message, watched())
    return [word for _, word in sources.words({partition} if at_end else set())]


def heard(merging: Merging, words: list[Word]) -> list[tuple[str, int, int]]:
    """What is published when these words came: type, hour of the end, rows."""
    for word in words:
        merging.take(word)
    while merging.advance(2):
        pass
    told: list[tuple[str, int, int]] = [
        (event.type, (event.end - moment(FIRST)).seconds // 3600, event.rows)
        for event in merging.watch("pumps").outbox
        if isinstance(event, WindowClosed | WindowRevised)
    ]
    merging.watch("pumps").outbox.clear()
    return told


ALL_ROWS = slice(0, 30)


def test_an_open_window_is_told_when_nothing_of_its_bundle_came_for_a_while() -> None:
    sources = side(0)
    said(sources, (0, slice(0, 1)))  # when a day of Kafka's begins all is told
    said(sources, (0, slice(1, 30)), first=1)
    rounds = [said(sources) for _ in range(20)]
    assert [[type(word) for word in words] for words in rounds] == [[]] * 19 + [[PartWord]]
    assert said(sources) == []


def test_parts_of_all_partitions_meet_in_one_window() -> None:
    merging = Merging(0, 2, CATALOGUE)
    one, other = side(0), side(1)
    assert heard(merging, said(one, (0, slice(0, 10)), (1, slice(0, 1)))) == []
    assert heard(merging, said(other, (0, slice(10, 30)), (1, slice(1, 2)))) == [("WindowClosed", 1, 30)]


def test_a_window_that_is_open_by_its_partitions_clock_is_told_only_at_the_end_of_the_stream() -> None:
    sources = side(0)
    said(sources, (0, slice(0, 1)))  # when a day of Kafka's begins all is told
    words = said(sources, (0, slice(1, 30)), (1, ALL_ROWS), first=1)
    assert [word.key.start for word in words if isinstance(word, PartWord)] == [FIRST]
    rest = said(sources, at_end=True)
    assert [word.key.start for word in rest if isinstance(word, PartWord)] == [FIRST + HOUR]
    assert [word.at_end for word in words + rest if isinstance(word, HeadWord)] == [False, True]
    assert said(sources, at_end=True) == []


def test_a_partition_that_has_told_nothing_holds_the_watermark_back() -> None:
    merging = Merging(0, 2, CATALOGUE)
    assert heard(merging, said(side(0), (0, ALL_ROWS), (1, ALL_ROWS), at_end=True)) == []
    assert heard(merging, said(side(1), at_end=True)) == [("WindowClosed", 1, 30)]


def test_an_idle_partition_holds_nothing_back() -> None:
    merging = Merging(0, 2, CATALOGUE)
    idle = side(1)
    heard(merging, said(idle, (0, slice(0, 5)), at_end=True))
    assert heard(merging, said(side(0), (0, ALL_ROWS), (3, ALL_ROWS))) == [("WindowClosed", 1, 35)]
    assert heard(merging, said(idle, (1, ALL_ROWS), first=1)) == []  # it is not at its end now


@pytest.mark.parametrize("seed", range(5))
def test_repeated_and_stale_words_change_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    sources, straight, shuffled = side(0), Merging(0, 1, CATALOGUE), Merging(0, 1, CATALOGUE)
    words: list[Word] = []
    for hour in range(6):
        for first in range(0, 30, 10):
            offset = hour * 3 + first // 10
            part = (max(hour - first // 20, 0), slice(first, first + 10))  # the last third of each comes late
            words += said(sources, part, first=offset, at_end=bool(random.random() < 0.5))
    for word in words:
        straight.take(word)
    for number in range(len(words)):
        for _ in range(random.integers(1, 4)):  # a zombie says again what it said, in any order
            shuffled.take(words[number])
            shuffled.take(words[random.integers(0, number + 1)])
    assert shuffled.heads == straight.heads
    assert {key: parts[0].packed for key, parts in shuffled.parts.items()} == {
        key: parts[0].packed for key, parts in straight.parts.items()
    }
    assert heard(shuffled, []) == heard(straight, [])


def test_windows_are_let_go_when_no_partition_can_change_them() -> None:
    merging = Merging(0, 2, CATALOGUE)
    slow = side(1)
    heard(merging, said(side(0), *((hour, ALL_ROWS) for hour in range(6))) + said(slow, (0, ALL_ROWS)))
    assert merging.finish(9).parts == []
    heard(merging, said(slow, (3, slice(0, 1)), first=1))
    assert {key.start for key, _ in merging.finish(9).parts} == {FIRST, FIRST + HOUR}
    assert {key.start for key in merging.parts} == {FIRST + hour * HOUR for hour in (2, 3, 4, 5)}
    assert merging.finish(9).parts == []
    key = WindowKey(FIRST, DIGEST, "champion")
    assert merging.watch("pumps").is_final(key)
    again = said(side(0), (0, ALL_ROWS), at_end=True)
    assert heard(merging, again) == []
    assert key not in merging.parts


def test_a_window_waits_for_its_bundle() -> None:
    catalogue: dict[str, Watched] = {}
    merging = Merging(0, 1, catalogue)
    assert heard(merging, said(side(0), (0, ALL_ROWS), (1, ALL_ROWS))) == []
    assert merging.missing() == {DIGEST}
    catalogue[DIGEST] = watched()
    assert heard(merging, []) == [("WindowClosed", 1, 30)]
    assert merging.missing() == set()


def test_a_model_is_at_home_in_one_of_the_partitions() -> None:
    homes = {home_of(f"model_{number}", 3) for number in range(30)}
    assert homes == {0, 1, 2}
    assert home_of("pumps", 3) == home_of("pumps", 3)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "others"},
        {"key": WindowKey(FIRST, DIGEST, "champion", "site=nowhere")},
        {"part": Partial(Sketch.empty(2, 1), 0)},
    ],
)
def test_a_part_that_does_not_fit_its_bundle_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    merging = Merging(0, 1, CATALOGUE)
    part = next(word for word in said(side(0), (0, ALL_ROWS), at_end=True) if isinstance(word, PartWord))
    with pytest.raises(Unreadable, match="no such window"):
        merging.take(replace(part, **change))  # type: ignore[arg-type]
    assert (merging.parts, merging.watches) == ({}, {})
    merging.take(part)
    assert len(merging.parts) == 1
