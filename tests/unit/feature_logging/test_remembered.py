"""What is remembered of labels and ids: within bounds, after a restart, and of other workers."""

import time
from pathlib import Path

import numpy as np
import pytest

from services.feature_logging.domain.pairs import Label
from services.feature_logging.domain.remembered import RecentTimes, RememberedLabels
from services.feature_logging.store.labels.matcher import Bounds
from services.feature_logging.stream.outcomes import FORGOTTEN, WAITING
from tests.unit.feature_logging.pairing import L, Worker, at, labelled, predicted, uuid7
from tests.unit.feature_logging.samples import MODEL

A, B, C = (uuid7(number) for number in (1, 2, 3))
FIRST = (A, 0, "champion", 1.0, None, "label")


HASHED = [f"order-{number}" for number in range(4)]


@pytest.mark.parametrize("again", [False, True], ids=["as it runs", "after a restart"])
async def test_ids_that_tell_no_time_meet_by_the_labels_word_or_by_what_is_remembered(
    tmp_path: Path, again: bool
) -> None:
    worker = Worker(tmp_path, Bounds(labels=10, times=2))
    for offset, name in enumerate(HASHED):
        await worker.read(predicted(offset, name, minutes=offset * 1_440))
    worker = Worker(tmp_path, Bounds(labels=10, times=2)) if again else worker
    labels = [L(name, 1, minutes=9_000) for name in HASHED[1:]]
    met = await worker.read(labelled(0, L(HASHED[0], 1, minutes=9_000, told=0.5), *labels))
    assert [name for name, *_ in met] == [HASHED[0], HASHED[2], HASHED[3]]


async def test_an_id_whose_time_is_not_its_predictions_is_found_on_its_day(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert await worker.read(predicted(0, A, B, minutes=700), labelled(0, L(A, 1, 800))) == [FIRST]
    assert await worker.read(predicted(1, C, minutes=5_000), labelled(1, L(C, 1, 6_000))) == [(C, *FIRST[1:])]


DAY = 1_440


@pytest.mark.parametrize("name", ["order", A, uuid7(1, at(500 * DAY))], ids=["text", "its first row's", "another time"])
@pytest.mark.parametrize("apart", [1, 3 * DAY], ids=["minutes apart", "days apart"])
async def test_each_row_of_a_request_is_found_at_its_own_time(tmp_path: Path, name: str, apart: float) -> None:
    worker = Worker(tmp_path)
    await worker.read(predicted(0, name, name, name, minutes=[0, apart, 2 * apart]))
    met = await worker.read(labelled(0, *(L(name, 1, 20 * DAY, row=row) for row in range(3))))
    assert [row for _, row, *_ in met] == [0, 1, 2]


@pytest.mark.parametrize("again", [False, True], ids=["as it runs", "after a restart"])
async def test_ids_that_tell_their_day_take_no_room_of_those_that_do_not(tmp_path: Path, again: bool) -> None:
    bounds = Bounds(labels=10, times=4)
    worker = Worker(tmp_path, bounds)
    await worker.read(predicted(0, *HASHED))
    for offset in range(1, 7 if again else 20):  # the times of 40 rows are looked through at a start
        await worker.read(predicted(offset, *(uuid7(10 * offset + place) for place in range(5))))
    worker = Worker(tmp_path, bounds) if again else worker
    assert len(await worker.read(labelled(0, *(L(name, 1) for name in HASHED)))) == 4


async def test_repeats_take_no_room_of_what_is_remembered_of_ids(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Bounds(labels=10, times=2))
    await worker.read(predicted(0, *HASHED[:2]))
    await worker.read(predicted(1, HASHED[0], minutes=5, repeat=np.array([True])))
    assert len(await worker.read(labelled(0, *(L(name, 1) for name in HASHED[:2])))) == 2


async def test_a_shadow_still_meets_its_label_while_as_many_as_are_remembered_wait(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Bounds(labels=8, times=10))
    counted = FORGOTTEN.labels(MODEL, "label")._value
    before = counted.get()
    await worker.read(labelled(0, *(L(uuid7(number), 1) for number in range(10, 18))))
    await worker.read(predicted(0, A, B, C), labelled(1, L(A, 1), L(B, 1), L(C, 1)))
    assert (counted.get() - before, WAITING.labels(MODEL)._value.get()) == (2, 6)
    met = await worker.read(predicted(1, A, B, C, role="shadow", digest="e" * 64))
    assert [(name, role) for name, _, role, *_ in met] == [(B, "shadow"), (C, "shadow")]


def test_much_is_forgotten_at_once_in_little_time() -> None:
    held, times = RememberedLabels(10), RecentTimes(10)
    keys = [number.to_bytes(16, "big") for number in range(60_000)]
    held.add(Label(key, 0, False, 1.0, 0, None, 0, 0, 0, 0) for key in keys)
    began = time.process_time()
    held.forget_oldest()
    times.add(keys, range(len(keys)))
    assert time.process_time() - began < 1
    assert (held.waiting, held.forgotten(), len(times), times.forgotten()) == (10, 59_990, 10, 59_990)
    assert (times.of(keys[0]), times.of(keys[-1])) == ([], [59_999])


def test_each_time_of_an_id_counts_once_and_all_of_an_id_go_together() -> None:
    times = RecentTimes(4)
    times.add([b"a", b"b", b"a", b"a", b"b"], [3, 1, 2, 3, 5])
    assert (times.of(b"a"), times.of(b"b"), len(times)) == ([2, 3], [1, 5], 4)
    times.add([b"c"], [7])
    assert (times.of(b"a"), times.of(b"b"), len(times), times.forgotten()) == ([], [1, 5], 3, 2)


async def test_labels_beyond_the_bound_are_counted_and_the_others_still_wait(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Bounds(labels=2, times=2))
    counted = FORGOTTEN.labels(MODEL, "label")._value
    before = counted.get()
    await worker.read(predicted(0, "met"), labelled(0, L("met", 1)))
    await worker.read(labelled(1, L(A, 1), L(B, 1), L(C, 1)))
    assert (counted.get() - before, WAITING.labels(MODEL)._value.get()) == (1, 2)
    met = await worker.read(predicted(1, A, B, C))
    assert [name for name, *_ in met] == [B, C]


async def test_labels_that_wait_still_do_after_a_restart_and_others_workers_labels_do_too(tmp_path: Path) -> None:
    before, ours = Worker(tmp_path), Worker(tmp_path)
    await before.read(labelled(0, L(A, 1)))
    assert await ours.read(predicted(0, A)) == [FIRST]
    await before.read(labelled(1, L(B, 1, kind="business")))
    assert await ours.read(predicted(1, B)) == [(B, 0, "champion", 1.0, None, "business")]


async def test_what_met_takes_no_room_of_what_waits_when_labels_are_read_at_a_start(tmp_path: Path) -> None:
    bounds = Bounds(labels=3, times=10)
    worker = Worker(tmp_path, bounds)
    await worker.read(labelled(0, L(A, 1), L(B, 1)))
    for number in range(4, 11):
        name = uuid7(number)
        await worker.read(predicted(number, name), labelled(number, L(name, 1)))
    counted = FORGOTTEN.labels(MODEL, "label")._value
    before = counted.get()
    after = Worker(tmp_path, bounds)
    assert await after.read(predicted(20, A)) == [FIRST]
    assert await after.read(predicted(21, uuid7(10), role="shadow", digest="e" * 64)) != []  # the newest that met
    assert (counted.get() - before, WAITING.labels(MODEL)._value.get()) == (0, 1)


async def test_labels_that_wait_beyond_the_bound_are_counted_at_a_start(tmp_path: Path) -> None:
    await Worker(tmp_path).read(labelled(0, *(L(uuid7(number), 1) for number in range(8))))
    counted = FORGOTTEN.labels(MODEL, "label")._value
    before = counted.get()
    after = Worker(tmp_path, Bounds(labels=3, times=10))
    met = await after.read(predicted(0, *(uuid7(number) for number in range(8))))
    assert (len(met), counted.get() - before) == (3, 5)


async def test_a_label_that_meets_at_once_pushes_none_out_that_waits(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Bounds(labels=1, times=10))
    await worker.read(predicted(0, B), labelled(0, L(A, 1)))
    await worker.read(labelled(1, L(B, 1)))
    assert await worker.read(predicted(1, A)) == [FIRST]


async def test_a_data_file_that_is_gone_does_not_stop_the_log(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    await worker.read(predicted(0, A))
    await worker.read(predicted(1, B))
    one_file(tmp_path).unlink()
    assert len(await worker.read(labelled(0, L(A, 1), L(B, 1)))) == 1


def one_file(tables: Path) -> Path:
    return next(tables.rglob("predictions/*/*.parquet"))
