"""Reports on data through both sides: columns, refused and failed rows, silences."""

from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.asides import Misfit
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Source, Tally
from services.drift_detection.domain.source.sources import Place, Sources
from shared.events import DataQualityReported
from shared.failures import Failed
from shared.reference.panes import time_of
from tests.unit.drift_detection.lives import BUNDLES, FIRST, NOW, OTHER, Life
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched


def hour_of(event: DataQualityReported) -> int:
    return (time_of(event.start) - FIRST) // HOUR


def kinds(event: DataQualityReported) -> set[tuple[str | None, str]]:
    return {(one.feature, one.kind) for one in event.findings}


def test_a_column_that_goes_missing_is_reported_after_its_window() -> None:
    life = Life()
    times, rows, scores = hours(0, 8)
    rows.numeric[times >= START + np.timedelta64(5 * HOUR, "us"), 1] = np.nan
    life.take((0, batch(DIGEST, times, rows, scores)))
    life.speak()
    found = {hour_of(event): kinds(event) for event in life.reports()}
    assert set(found) == set(range(7))
    assert [hour for hour, kind in found.items() if ("flow", "missing") in kind] == [5, 6]
    order = [event.type for event in life.said[:3]]
    assert order == ["WindowClosed", "PerformanceEstimated", "DataQualityReported"]


def test_rows_that_are_refused_are_told_in_the_window_where_they_should_have_been() -> None:
    life = Life()
    wide = batch(DIGEST, *hours(1, 1))
    wide = replace(wide, scores=np.zeros((30, 2), np.float32))
    other = batch(DIGEST, *hours(2, 1))
    other = replace(other, meta=replace(other.meta, definition_digest="e" * 64))
    life.take((0, batch(DIGEST, *hours(0, 1))), (0, batch(DIGEST, *hours(1, 1))), (0, wide), (1, wide), (1, other))
    life.take((0, batch(DIGEST, *hours(4, 1))))
    life.speak()
    told = {hour_of(event): [(one.reason, one.rows) for one in event.misfits] for event in life.reports()}
    assert told[1] == [("width", 60)]
    assert told[2] == [("definition", 30)]
    assert told[0] == []


def test_a_message_that_is_refused_and_comes_again_is_noted_once() -> None:
    state = PartitionState(0)
    wide = replace(batch(DIGEST, *hours(0, 1)), scores=np.zeros((30, 2), np.float32))
    with pytest.raises(Misfit) as refused:
        state.take(0, wide, watched(), NOW)
    for _ in range(2):
        state.refuse(0, refused.value, NOW)
    [part] = state.partials.values()
    assert part.beside is not None
    assert part.beside.facts.misfits.sum() == 30


def test_a_champion_without_rows_is_silent_as_soon_as_the_models_time_has_passed() -> None:
    life = Life()
    life.take((0, batch(DIGEST, *hours(0, 3))))
    life.take((1, batch(DIGEST, *hours(2, 8), role="shadow")))
    life.speak()
    assert all(kinds(event) != {(None, "silent")} for event in life.reports()[:3])
    silent = life.reports()[-1]
    assert kinds(silent) == {(None, "silent")}
    assert (hour_of(silent), silent.rows) == (3, 0)


def test_another_models_time_tells_of_a_silence_by_the_log() -> None:
    catalogue = {DIGEST: watched()}
    sources, merging = Sources({0: PartitionState(0)}, dict(catalogue), 1), Merging(0, 1, catalogue)
    times, rows, scores = hours(0, 3)
    appended = int(times.max().astype(np.int64))
    sources.take(Place(0, 0, appended), batch(DIGEST, times, rows, scores), watched())
    for later in (0, 12):  # hours after the model's last message
        sources.partitions[0].tallies[Source("others", OTHER, "champion")] = Tally(1, appended=appended + later * HOUR)
        for _, word in sources.words({0}):
            merging.take(word)
        while merging.advance(3):
            pass
        told = [event for event in merging.watch("pumps").outbox if isinstance(event, DataQualityReported)]
        silent = [hour_of(event) for event in told if kinds(event) == {(None, "silent")}]
        assert silent == ([] if later == 0 else [3])  # the window of hour 2 is open, and not empty


def failed(hour: int, rows: int, digest: str = OTHER, role: str = "canary") -> Failed:
    return Failed(digest=digest, role=role, until=FIRST + hour * HOUR + 5, rows=dict.fromkeys(range(40), rows))


def test_failures_count_in_the_pane_of_their_latest_once() -> None:
    state = PartitionState(0)
    message = batch(DIGEST, *hours(0, 2))
    message = replace(message, meta=replace(message.meta, failed=(failed(0, 2), failed(1, 1, DIGEST, "champion"))))
    taken = state.take(3, message, watched(), NOW, BUNDLES)
    sums = {
        (key.start - FIRST) // HOUR: part.beside.sums
        for key, part in state.partials.items()
        if part.beside is not None and key.digest == OTHER
    }
    assert (list(sums), sums[0].rows.sum(), taken.unplaced) == ([0], 80, 0)
    [mine] = [part for key, part in state.partials.items() if key.start == FIRST + HOUR and key.digest == DIGEST]
    assert mine.beside is not None
    assert mine.beside.sums.answered == 30
    assert mine.beside.sums.rows[3].sum() == 30 + 40
    unknown = state.take(
        4, replace(message, meta=replace(message.meta, failed=(failed(0, 1, "9" * 64),))), watched(), NOW
    )
    assert unknown.unplaced == 40
