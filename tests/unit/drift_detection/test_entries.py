import numpy as np
import pytest

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Partial, Source, Tally, WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord, Telling
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.store import merging as models
from services.drift_detection.store import sources as parts
from services.drift_detection.store.entries import Entry, partition_of, version_of
from services.drift_detection.store.wire import decode_word, encode_word
from shared.errors import Unreadable
from shared.events import WindowClosed
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR


def filled(number: int = 2) -> PartitionState:
    state = PartitionState(number)
    state.take(5, batch(DIGEST, *hours(0, 2)), watched(), NOW)
    state.take(6, batch(DIGEST, *hours(1, 1), repeat=True), watched(), NOW)
    return state


def entries_of(state: PartitionState) -> list[Entry]:
    found = [parts.partial_entry(state.number, key, part) for key, part in state.partials.items()]
    return [*found, parts.head_entry(state)]


def shown(part: Partial) -> tuple[bytes, bytes, int, int, int]:
    return part.packed, part.beside_packed, part.offset, part.repeats, part.late_rows


def merging(number: int = 1) -> Merging:
    return Merging(number, 3, {DIGEST: watched()})


def told() -> Merging:
    """Two of three source partitions told of their windows; one message was read."""
    there = merging()
    for number in (0, 2):
        for _, word in Telling({DIGEST: watched()}, 1).words(filled(number), at_end=number == 2):
            there.take(word)
    there.offset = 9
    there.watch("pumps").record.final[DIGEST] = FIRST
    return there


def entries_of_models(there: Merging) -> list[Entry]:
    found = [models.part_entry(there, key, source) for key, all_of in there.parts.items() for source in all_of]
    return [*found, models.head_entry(there), *(models.model_entry(1, one.record) for one in there.watches.values())]


def test_a_source_partition_comes_back_as_it_was_stored_and_all_its_parts_are_told_again() -> None:
    state = filled()
    again = parts.read_partitions(entries_of(state), [2])[2]
    assert (again.offset, again.clocks, again.tallies) == (state.offset, state.clocks, state.tallies)
    assert {key: shown(part) for key, part in again.partials.items()} == {
        key: shown(part) for key, part in state.partials.items()
    }
    assert again.unsent == set(state.partials)
    assert not again.changed


def test_models_come_back_as_they_were_stored() -> None:
    there = told()
    again = models.read_mergings(entries_of_models(there), [1], merging)[1]
    assert (again.offset, again.heads) == (9, there.heads)
    assert {key: {source: shown(part) for source, part in all_of.items()} for key, all_of in again.parts.items()} == {
        key: {source: shown(part) for source, part in all_of.items()} for key, all_of in there.parts.items()
    }
    assert [watch.record for watch in again.watches.values()] == [watch.record for watch in there.watches.values()]
    assert not again.changed
    assert again.advance(100) is False
    assert len(again.watch("pumps").outbox) == 0  # partition 1 has told nothing


def test_what_was_to_be_forgotten_is_forgotten_after_a_restart_and_not_said_again() -> None:
    there = told()
    there.watch("pumps").record.final[DIGEST] = FIRST + HOUR
    for number in range(3):
        there.heads[number] = HeadWord(number, 9, clocks={"pumps": FIRST + 2 * HOUR})
    again = models.read_mergings(entries_of_models(there), [1], merging)[1]
    again.advance(100)
    closed = [event for event in again.watch("pumps").outbox if isinstance(event, WindowClosed)]
    assert [event.time.hour for event in closed] == [2]
    assert {key.start for key, _ in again.finish(9).parts} == {FIRST}
    assert {key.start for key in again.parts} == {FIRST + HOUR}
    assert again.watch("pumps").record.final[DIGEST] == FIRST + HOUR


def test_a_new_holder_stores_higher_versions_than_an_old_one_still_could() -> None:
    there = merging()
    there.watches["pumps"] = ModelWatch(ModelRecord(model="pumps", version=7))
    there.begin(generation=3)
    version = there.watch("pumps").store().version
    assert version > (1 << 32) + 10**6
    other = merging()
    other.watches["pumps"] = ModelWatch(ModelRecord(model="pumps", version=version))
    other.begin(generation=4)
    assert other.watch("pumps").record.version > there.watch("pumps").store().version


def test_keys_say_their_partition_and_values_their_version() -> None:
    state, there = filled(), told()
    assert [partition_of(key) for key, _ in entries_of(state)] == [2, 2, 2]
    assert {partition_of(key) for key, _ in entries_of_models(there)} == {1}
    assert version_of(parts.head_entry(state)[1]) == state.offset == 6
    key, part = next(iter(state.partials.items()))
    assert parts.partial_entry(2, key, part)[0] == parts.partial_key(2, key)
    assert version_of(parts.partial_entry(2, key, part)[1]) == part.offset
    assert version_of(models.head_entry(there)[1]) == 9
    assert version_of(models.model_entry(1, ModelRecord(model="pumps", version=7))[1]) == 7


def test_partitions_of_other_workers_are_left_alone() -> None:
    assert parts.read_partitions(entries_of(filled(1)), [0, 2]) == {0: PartitionState(0), 2: PartitionState(2)}
    [again] = models.read_mergings(entries_of_models(told()), [0], merging).values()
    assert (again.offset, again.parts, again.watches) == (-1, {}, {})


@pytest.mark.parametrize(
    "entry",
    [
        (b"0/head", b"\0" * 8 + b"{"),
        (b"0/window/1", b"\0" * 24 + b"x"),
        (b"0/window/1/a/champion/all", b"\0" * 4),
        (b"x", b""),
    ],
)
def test_damaged_state_of_the_sources_is_refused(entry: Entry) -> None:
    with pytest.raises(Unreadable):
        parts.read_partitions([entry], [0])


@pytest.mark.parametrize(
    "entry",
    [
        (b"0/head", b"\0" * 8 + b'{"offset": 1, "heads": {}}'),
        (b"0/window/1", b"\0" * 24),
        (b"0/model/m", b"\0" * 9),
        (b"x/head", b""),
    ],
)
def test_damaged_state_of_the_models_is_refused(entry: Entry) -> None:
    with pytest.raises(Unreadable):
        models.read_mergings([entry], [0], merging)


def test_words_come_over_the_wire_as_they_were_said() -> None:
    key = WindowKey(FIRST, DIGEST, "champion", "site=north/south, and more")
    part = filled().partials[WindowKey(FIRST, DIGEST, "champion")]
    out = encode_word(2, PartWord("pumps", 1, key, part))
    again = decode_word(out.value, 3)
    assert isinstance(again, PartWord)
    assert (out.key, out.partition) == (b"pumps", 2)
    assert (again.model, again.partition, again.key) == ("pumps", 1, key)
    assert shown(again.part) == shown(part)
    head = HeadWord(2, 7, True, {"pumps": FIRST}, {Source("pumps", DIGEST, "shadow"): Tally(9, 1, 2, 3)})
    assert decode_word(encode_word(0, head).value, 3) == head


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"rubbish",
        b"{}",
        b'{"partition": 3, "offset": 1, "at_end": true, "clocks": {}, "tallies": [], "newest": 0}\n',
        b'{"partition": 0, "offset": 1, "at_end": true, "clocks": [], "tallies": [], "newest": 0}\n',
        b'{"partition": 0, "model": "m", "window": [1, "a", "b", "all"], "part": [1, 2, 3], "beside": 0}\nno sketch',
        b'{"partition": 0, "model": "m", "window": [1, "a"], "part": [1, 2, 3], "beside": 0}\n',
        b"\xff\n",
        b"[" * 100_000,
    ],
)
def test_what_is_no_word_is_refused(value: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_word(value, 3)
