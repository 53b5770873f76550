"""Sessions keep within a bound of memory, and come back when they are asked for."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from services.inference.domain.onnx_file import FEATURES
from services.inference.models.loaded import LoadedModel, ModelFailed, load
from services.inference.models.resident import Residency, Resident
from services.inference.models.session import open_session
from shared.bundle import open_bundle
from shared.errors import InvalidInput
from tests.bundles import DATA, make_bundle

MODEL = (DATA / "small_binary_a.onnx").read_bytes()
ROW = np.zeros((1, 3), dtype=np.float32)


class World:
    """A bound of three sessions, each of size 10; `fetched` is what was asked of the store, `gone` what it lost."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.gone: set[str] = set()
        self.residency = Residency(30, self.fetch)

    def fetch(self, digest: str) -> bytes:
        self.fetched.append(digest)
        if digest in self.gone:
            raise InvalidInput("digest", f"no bundle {digest!r} in the store")
        return MODEL

    def admit(self, digest: str, size: int = 10) -> Resident:
        return self.residency.admit(digest, open_session(MODEL), size)


@pytest.fixture
def world() -> World:
    return World()


def run(resident: Resident) -> float:
    with resident as session:
        return float(session.run(["probabilities"], {FEATURES: ROW})[0][0, 1])


def test_what_was_not_used_longest_goes_and_comes_back_when_asked_for(world: World) -> None:
    a, b, c = (world.admit(name) for name in "abc")
    answer = run(b)
    run(a)
    run(c)
    d = world.admit("d")
    assert [each.is_open for each in (a, b, c, d)] == [True, False, True, True]
    assert run(b) == answer
    assert [each.is_open for each in (a, b, c, d)] == [False, True, True, True]
    assert world.fetched == ["b"]


def test_what_is_in_use_stays_even_beyond_the_bound(world: World) -> None:
    a, b = world.admit("a"), world.admit("b", 15)
    with a, b:
        c = world.admit("c", 100)
        assert [each.is_open for each in (a, b, c)] == [True, True, True]
    world.admit("d")
    assert [each.is_open for each in (a, b, c)] == [False, False, False]


def test_models_that_nobody_holds_any_more_do_not_count(world: World) -> None:
    kept = world.admit("kept")
    for number in range(20):
        world.admit(str(number))
    assert kept.is_open


async def test_the_loop_goes_on_while_a_session_is_opened_once_for_all_who_wait(world: World) -> None:
    opening, may_open = threading.Event(), threading.Event()

    def slow(digest: str) -> bytes:
        opening.set()
        assert may_open.wait(10)
        return world.fetch(digest)

    world.residency.fetch = slow
    a = world.admit("a")
    a.drop()
    waiting = [asyncio.create_task(a.bring()) for _ in range(5)]
    await asyncio.to_thread(opening.wait, 10)
    assert not any(task.done() for task in waiting)
    may_open.set()
    await asyncio.gather(*waiting)
    assert (a.is_open, world.fetched) == (True, ["a"])


def test_what_comes_and_goes_is_counted(world: World) -> None:
    def counted() -> list[float]:
        names = ("unloads_total", "reloads_total", "resident_bytes")
        return [REGISTRY.get_sample_value(f"driftline_model_{name}") or 0 for name in names]

    unloads, reloads, _ = counted()
    a, b = world.admit("a", 20), world.admit("b", 20)
    run(a)
    assert counted() == [unloads + 2, reloads + 1, 20]
    assert not b.is_open


def test_a_hundred_models_serve_in_threads_within_the_bound(world: World) -> None:
    residents = [world.admit(str(number)) for number in range(100)]
    answer = run(residents[0])
    wrong: list[float] = []

    def ask(order: Callable[[int], int]) -> None:
        wrong.extend(found for n in range(100) if (found := run(residents[order(n)])) != answer)

    threads = [
        threading.Thread(target=ask, args=(order,)) for order in (lambda n: n, lambda n: 99 - n, lambda n: n % 7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(each.is_open for each in residents) <= 3


def test_a_model_whose_bundle_is_gone_fails_and_may_come_back(state: Path) -> None:
    world = World()
    bundle = open_bundle(state / "bundles", make_bundle(state), state / "trust")
    model: LoadedModel = load(bundle, residency=world.residency)
    before = model.run(ROW)
    model.resident.drop()
    world.gone.add(model.digest)
    with pytest.raises(ModelFailed, match="no bundle"):
        model.run(ROW)
    world.gone.clear()
    assert model.run(ROW)["label"] == before["label"]
    assert model.resident.drop()
