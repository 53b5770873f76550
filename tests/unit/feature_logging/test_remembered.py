"""What is remembered of labels and ids: within bounds, after a restart, and of other workers."""

from pathlib import Path

import pytest

from services.feature_logging.store.labels.matcher import Bounds
from services.feature_logging.stream.outcomes import FORGOTTEN, WAITING
from tests.unit.feature_logging.pairing import L, Worker, labelled, predicted, uuid7
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
