import zlib

import numpy as np
import pytest

from services.drift_detection.domain.detector.bank import Bank, Memory
from services.drift_detection.domain.detector.memory import pack, unpack
from shared.errors import Unreadable
from tests.unit.drift_detection.detector.worlds import World, run, world
from tests.unit.drift_detection.pumps import watched

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def small() -> World:
    return world({"x": RANDOM.normal(size=3000)}, {"c": RANDOM.integers(0, 3, 3000)})


def after_some(small: World, bank: Bank) -> Memory:
    sketches = [small.sketch({"x": RANDOM.normal(size=99)}, {"c": RANDOM.integers(0, 3, 99)}) for _ in range(5)]
    return run(bank, sketches)[-1].after


def same(one: Memory, other: Memory) -> bool:
    parts = zip((*one.state, one.last), (*other.state, other.last), strict=True)
    pairs = [(a, b) for mine, theirs in parts for a, b in zip(vars(mine).values(), vars(theirs).values(), strict=True)]
    return all(np.array_equal(a, b) and a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)


def test_what_is_packed_is_unpacked_to_the_last_bit(small: World) -> None:
    bank = small.bank()
    for memory in (bank.start(), after_some(small, bank)):
        assert same(unpack(pack(memory), bank), memory)
        assert pack(unpack(pack(memory), bank)) == pack(memory)


def test_one_that_was_restored_goes_on_as_one_that_never_stopped(small: World) -> None:
    bank = small.bank()
    memory = after_some(small, bank)
    more = {"all": small.sketch({"x": RANDOM.normal(size=50)}, {"c": RANDOM.integers(0, 3, 50)})}
    straight, restored = (bank.step(one, 10**16, more) for one in (memory, unpack(pack(memory), bank)))
    assert same(straight.after, restored.after)


def test_a_model_with_features_of_one_kind_is_remembered_too() -> None:
    there = world({"x": RANDOM.normal(size=3000)})
    memory = run(there.bank(), [there.sketch({"x": RANDOM.normal(size=50)})])[-1].after
    assert same(unpack(pack(memory), there.bank()), memory)


@pytest.mark.parametrize("content", [b"", b"nothing", zlib.compress(b""), zlib.compress(b"\0" * 9)])
def test_bytes_that_are_no_memory_are_unreadable(small: World, content: bytes) -> None:
    with pytest.raises(Unreadable, match="detector's memory"):
        unpack(content, small.bank())


def test_bytes_cut_short_or_too_long_or_of_another_bank_are_unreadable(small: World) -> None:
    content = pack(after_some(small, small.bank()))
    raw = zlib.decompress(content)
    for wrong in (content[:-5], zlib.compress(raw[:-8]), zlib.compress(raw + b"\0" * 8)):
        with pytest.raises(Unreadable, match="detector's memory"):
            unpack(wrong, small.bank())
    with pytest.raises(Unreadable, match="detector's memory"):
        unpack(content, watched().bank)
