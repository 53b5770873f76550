"""The disk is full at six different points: no commit is made in part, and it goes on by itself when there is room.

The data file and the log entry of a commit are in `test_log.py`; here are the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from services.feature_logging.domain.predictions import Message, prediction_rows
from services.feature_logging.store.compactor import Compactor
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.refill import Refill
from services.feature_logging.stream.intake import Intake
from services.feature_logging.stream.repair import make_readable
from shared.feature_log.damage import find_damage
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    batch,
    definition,
    feature_log,
    origin,
    place,
    prediction_message,
    rows_of,
)
from tests.unit.feature_logging.test_log import Told, data_files, full_disk, offsets_of, take
from tests.unit.feature_logging.test_repair import BUNDLES, cut, entry, logged


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again soon."""
    monkeypatch.setattr("services.feature_logging.store.persist.RETRY_SECONDS", (0.01,))


async def waits_for_room(work: Callable[[], Awaitable[None]], told: Told, free: int) -> None:
    """It is not done while the disk is full, and done soon after."""
    with capture_logs(), full_disk(free):  # what is logged would go to a file, too
        task = asyncio.ensure_future(work())
        await asyncio.wait_for(told.something.wait(), 30)
        assert not task.done()
    await task
    assert told.reasons[-1] is None


async def test_a_new_table_waits_for_room(tmp_path: Path) -> None:
    told, where = Told(), place(tmp_path)
    log = FeatureLog(tmp_path, Limits(1_000, 1_000), told)
    await waits_for_room(lambda: take(log, where, 0), told, free=100)
    await log.commit()
    assert offsets_of(where) == [0, 0, 0]


async def test_a_new_column_waits_for_room(tmp_path: Path) -> None:
    told, where = Told(), place(tmp_path)
    log = FeatureLog(tmp_path, Limits(1_000, 1_000), told)
    await take(log, where, 0, count=1)
    await log.commit()
    rows = prediction_rows([Message(batch(1), origin(1))], definition(), CATEGORIES)
    await log.add(where, rows.append_column("visib", pa.array([1.0], pa.float32())), origin(1))
    await waits_for_room(log.commit, told, free=700)
    assert rows_of(where).sort_by("source_offset")["visib"].to_pylist() == [None, 1.0]


@pytest.mark.parametrize("free", [100, 12_000], ids=["merged file", "checkpoint"])
async def test_compaction_leaves_all_as_it_is_and_is_done_later(tmp_path: Path, free: int) -> None:
    log, where = feature_log(tmp_path), place(tmp_path)
    for offset in range(3):
        await take(log, where, offset, count=1)
        await log.commit()
    compactor = Compactor(1_000, log.stop)
    with capture_logs() as lines, full_disk(free):
        compactor.compact(where, "t")
    assert [line["event"] for line in lines] == ["compaction failed; it is tried again later"]
    assert (offsets_of(where), find_damage(tmp_path)) == ([0, 1, 2], [])
    compactor.compact(where, "t")
    assert offsets_of(where) == [0, 1, 2]
    assert data_files(where) == 3 + 1 + 1  # those merged stay, what they became, the checkpoint


async def test_a_repair_waits_for_room(tmp_path: Path) -> None:
    messages = [prediction_message(offset) for offset in range(2)]
    await logged(tmp_path, messages)
    cut(entry(tmp_path, 2), 0)
    make_readable(tmp_path)
    told = Told()
    refill = Refill(tmp_path, {damage.table: damage.files for damage in find_damage(tmp_path)}, told)
    for each in messages:
        await Intake(refill, BUNDLES.get).handle(each)
    await waits_for_room(refill.finish, told, free=100)
    assert (offsets_of(place(tmp_path)), refill.restored) == ([0, 0, 0, 1, 1, 1], 3)
