from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Source, Tally, WindowKey
from shared.errors import Unreadable
from shared.features import Rows
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR
SOURCE = Source("pumps", DIGEST, "champion")


def key(hour: int, role: str = "champion") -> WindowKey:
    return WindowKey(FIRST + hour * HOUR, DIGEST, role)


def test_rows_go_to_the_pane_of_their_event_time() -> None:
    state = PartitionState(0)
    assert state.take(4, batch(DIGEST, *hours(0, 3)), watched(), NOW).tally == Tally(90, appended=NOW)
    assert {one: part.sketch.rows for one, part in state.partials.items()} == {key(hour): 30 for hour in range(3)}
    assert (state.offset, state.tallies[SOURCE].rows) == (4, 90)
    assert state.changed == state.unsent == set(state.partials)


def test_roles_are_kept_apart() -> None:
    state = PartitionState(0)
    state.take(0, batch(DIGEST, *hours(0, 1)), watched(), NOW)
    state.take(1, batch(DIGEST, *hours(0, 1), role="shadow"), watched(), NOW)
    assert set(state.partials) == {key(0), key(0, "shadow")}


def test_repeats_are_counted_apart() -> None:
    state = PartitionState(0)
    state.take(0, batch(DIGEST, *hours(0, 1)), watched(), NOW)
    taken = state.take(1, batch(DIGEST, *hours(0, 1), repeat=True), watched(), NOW)
    assert taken.tally == Tally(30, repeats=30, appended=NOW)
    part = state.partials[key(0)]
    assert (part.sketch.rows, part.repeats, part.late_rows) == (30, 30, 0)


def test_a_row_is_late_when_its_window_had_ended_and_too_late_beyond_the_lateness() -> None:
    state = PartitionState(0)
    state.take(0, batch(DIGEST, *hours(2, 1)), watched(), NOW)
    highest = state.clocks["pumps"]
    times, rows, scores = hours(1, 1)
    moved = np.array([highest - HOUR, highest - HOUR - 1]).astype("datetime64[us]")
    taken = state.take(1, batch(DIGEST, moved, rows[:2], scores[:2]), watched(), NOW)
    assert taken.tally == Tally(2, too_late=1, appended=NOW)
    assert taken.too_late.tolist() == [False, True]
    assert (state.partials[key(1)].sketch.rows, state.partials[key(1)].late_rows) == (1, 1)
    assert state.clocks["pumps"] == highest
    assert len(times)


def test_a_part_that_is_ahead_after_a_restart_takes_nothing_twice() -> None:
    messages = [batch(DIGEST, *hours(hour, 1)) for hour in (0, 0, 1)]
    whole, interrupted = PartitionState(0), PartitionState(0)
    for offset, message in enumerate(messages):
        whole.take(offset, message, watched(), NOW)
    # the part of hour 0 was stored with both its messages, the head with none
    interrupted.partials[key(0)] = whole.partials[key(0)]
    before = whole.partials[key(0)].sketch.to_bytes()
    for offset, message in enumerate(messages):
        interrupted.take(offset, message, watched(), NOW)
    assert interrupted.partials[key(0)].sketch.to_bytes() == before
    assert interrupted.partials[key(1)].sketch.rows == 30
    assert interrupted.clocks == whole.clocks


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": Rows(np.zeros((30, 1), np.float32), np.zeros((30, 1), np.int32))}, "columns"),
        ({"scores": np.zeros((30, 2), np.float32)}, "columns"),
        ({"meta": replace(batch(DIGEST, *hours(0, 1)).meta, model="others")}, "model"),
    ],
)
def test_a_batch_that_does_not_fit_its_bundle_is_refused_and_changes_nothing(
    change: dict[str, object], reason: str
) -> None:
    state = PartitionState(0)
    wrong = replace(batch(DIGEST, *hours(0, 1)), **change)  # type: ignore[arg-type]
    with pytest.raises(Unreadable, match=reason):
        state.take(0, wrong, watched(), NOW)
    assert state == PartitionState(0)


def test_a_part_at_rest_takes_in_rows_as_if_it_had_not_rested() -> None:
    rested, plain = PartitionState(0), PartitionState(0)
    for offset in range(3):
        for state in (rested, plain):
            state.take(offset, batch(DIGEST, *hours(offset % 2, 1)), watched(), NOW)
        for part in rested.partials.values():
            part.rest()
    assert {one: part.packed for one, part in rested.partials.items()} == {
        one: part.packed for one, part in plain.partials.items()
    }


def test_a_window_is_over_here_when_it_was_stored_and_told_and_the_clock_is_past_its_lateness() -> None:
    state = PartitionState(0)
    state.take(0, batch(DIGEST, *hours(0, 4)), watched(), NOW)
    assert state.over({DIGEST: watched()}) == []
    state.changed.clear()
    assert state.over({DIGEST: watched()}) == []
    state.unsent.clear()
    assert sorted(state.over({DIGEST: watched()})) == [key(0), key(1)]
    assert state.over({}) == []
