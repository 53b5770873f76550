import numpy as np
import pytest

from services.drift_detection.domain.partition import PartitionState
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.store.codec import (
    head_entry,
    model_entry,
    partial_entry,
    partial_key,
    partition_of,
    read_state,
    version_of,
)
from shared.errors import Unreadable
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

NOW = int(START.astype(np.int64)) + 10_000 * HOUR


def filled(number: int = 2) -> PartitionState:
    state = PartitionState(number)
    state.take(5, batch(DIGEST, *hours(0, 2)), watched(), NOW)
    state.take(6, batch(DIGEST, *hours(1, 1), repeat=True), watched(), NOW)
    return state


def entries_of(state: PartitionState) -> list[tuple[bytes, bytes]]:
    parts = [partial_entry(state.number, key, part) for key, part in state.partials.items()]
    return [*parts, head_entry(state)]


def test_a_partition_comes_back_as_it_was_stored() -> None:
    state = filled()
    states, records = read_state(entries_of(state), [2])
    again = states[2]
    assert records == []
    assert (again.offset, again.clocks, again.tallies) == (state.offset, state.clocks, state.tallies)
    assert again.partials.keys() == state.partials.keys()
    for key, part in again.partials.items():
        before = state.partials[key]
        assert part.sketch.to_bytes() == before.sketch.to_bytes()
        assert (part.offset, part.repeats, part.late_rows) == (before.offset, before.repeats, before.late_rows)


def test_a_model_comes_back_as_it_was_stored() -> None:
    record = ModelRecord(model="pumps", version=7, watermark=NOW, final={DIGEST: 3}, published={DIGEST: {"shadow": 2}})
    assert read_state([model_entry(record)], []) == ({}, [record])


def test_keys_say_their_partition_and_values_their_version() -> None:
    state = filled()
    assert [partition_of(key) for key, _ in entries_of(state)] == [2, 2, 2]
    assert version_of(head_entry(state)[1]) == state.offset == 6
    key, part = next(iter(state.partials.items()))
    assert partial_entry(2, key, part)[0] == partial_key(2, key)
    assert version_of(partial_entry(2, key, part)[1]) == part.offset
    assert version_of(model_entry(ModelRecord(model="pumps", version=7))[1]) == 7


def test_partitions_of_other_workers_are_left_alone() -> None:
    states, _ = read_state(entries_of(filled(1)), [0, 2])
    assert states == {0: PartitionState(0), 2: PartitionState(2)}


@pytest.mark.parametrize(
    "entry",
    [
        (b"0/head", b"\0" * 8 + b"{"),
        (b"0/window/1/a/champion", b"\0" * 24 + b"x"),
        (b"0/model/m", b"\0" * 9),
        (b"x", b""),
    ],
)
def test_damaged_state_is_refused(entry: tuple[bytes, bytes]) -> None:
    with pytest.raises(Unreadable):
        read_state([entry], [0])
