"""Rows of old days go: the log stays provable, pinned versions stay as they were, and whoever asks for them is told."""

import asyncio
import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from services.feature_logging.store.compaction import compact
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep.cycle import Kept, Upkeep
from services.feature_logging.store.upkeep.retention import Retention
from services.feature_logging.store.upkeep.retiring import FORMAT, Retired, retire
from shared.errors import InvalidInput
from shared.feature_log.proof.content import digest
from shared.feature_log.reading import live_paths
from shared.feature_log.retired import retired_path, retired_predictions
from shared.feature_log.schema import INDEXED, OUTCOMES
from shared.feature_log.snapshot import Bounds, pin_snapshot, read_snapshot
from tests.unit.feature_logging.aged_log import (
    FAR,
    FIRST,
    KEEP,
    NAME,
    SOURCES,
    book,
    log_messages,
    log_two_days,
    meanwhile,
    message_of,
    pass_days,
    prove,
    retired,
    rows_by_day,
    verified,
)
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    MODEL,
    START,
    TOPIC,
    batch,
    definition,
    intake,
    label_message,
    origin,
    place,
    prediction_rows,
    rows_of,
)
from tests.unit.feature_logging.test_upkeep import data_files, label, snapshot, train_on, years_pass


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = tmp_path_factory.mktemp("logged")
    asyncio.run(log_two_days(tables))
    return tables


@pytest.fixture
def tables(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_once, tmp_path / "tables"))


async def test_days_that_are_over_go_with_a_record_and_the_log_stays_provable(tables: Path) -> None:
    pass_days(tables, 0)
    assert (rows_by_day(tables), retired(tables)) == ([(0, 7), (1, 2)], [])
    expected = rows_of(place(tables)).filter(pc.field("event_day") == FIRST)
    pass_days(tables, 1)
    assert rows_by_day(tables) == [(1, 2)]
    assert retired(tables) == [("flights/labels", 1, 6), (NAME, 1, 7)]
    found = verified(tables)
    assert (found.complete, found.faults, found.retired, found.emptied, found.restated) == (True, (), 4, 3, 0)
    records = DeltaTable(retired_path(tables)).to_pyarrow_table().to_pylist()
    mine = next(record for record in records if record["table"] == NAME)
    order = [(name, "ascending") for name in ("source_partition", "source_offset", "source_row")]
    content = hashlib.sha256(FORMAT + digest(expected.sort_by(order))).hexdigest()
    assert (mine["day"], mine["rows"], mine["keep_days"], mine["content"]) == (FIRST, 7, KEEP, content)


async def test_late_rows_of_a_retired_day_are_logged_and_go_when_they_are_in_the_chain(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.feature_logging.store.upkeep.retention.MOST_FILES", 2)
    pass_days(tables, 1)
    await log_messages(tables, message_of(3, (0, 0, 0)))
    pass_days(tables, 1)
    assert rows_by_day(tables) == [(0, 3), (1, 2)]
    await prove(tables)
    await log_messages(tables, message_of(4, (0, 0, 1)))
    compact(LogTable(place(tables)))  # a file with rows that may go, and others that are in no link yet
    pass_days(tables, 1)
    assert (rows_by_day(tables), retired(tables)[1]) == ([(0, 2), (1, 3)], (NAME, 1, 10))
    assert len(live_paths(DeltaTable(retired_path(tables)))) == 1
    await prove(tables)
    assert verified(tables).complete


async def test_rows_are_taken_out_while_others_append_and_compact(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, other = intake(tables), LogTable(place(tables))
    await writer.handle(message_of(3, (1, 1, 1)))  # judged by the table as it was
    await writer.handle(label_message(3))
    waiting = Pending(place(tables).schema)
    rows = prediction_rows(batch(), definition(), CATEGORIES, origin(0, 1))
    waiting.add(rows, f"{TOPIC}/1", judged=0, version=1)

    def others() -> None:
        other.commit(waiting)
        compact(LogTable(place(tables)))

    meanwhile(monkeypatch, place(tables).path, others)
    assert retire(book(tables), NAME, FIRST, KEEP) == Retired(7, 1)
    await writer.flush()
    assert rows_by_day(tables) == [(0, 3), (1, 5)]  # those that came meanwhile are in no link yet
    await writer.assigned({**SOURCES, (TOPIC, 1): 0}, {**dict.fromkeys(SOURCES, 99), (TOPIC, 1): 1})
    assert verified(tables).faults == ()


def test_of_two_that_do_it_at_once_one_does_and_it_is_counted_once(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, place(tables).path, lambda: retire(book(tables), NAME, FIRST, KEEP))
    assert retire(book(tables), NAME, FIRST, KEEP) == Retired(0, 0)
    assert (retired(tables), verified(tables).complete) == ([(NAME, 1, 7)], True)


def test_what_a_crash_left_undone_is_done_the_next_time(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        meanwhile(patched, place(tables).path, crash)
        pass_days(tables, 1)
    assert DeltaTable(retired_path(tables)).to_pyarrow_table().column("table").to_pylist().count(NAME) == 1
    assert rows_by_day(tables) == [(0, 7), (1, 2)]
    assert (verified(tables).complete, retired(tables)) == (True, [("flights/labels", 1, 6)])
    pass_days(tables, 1)
    assert rows_by_day(tables) == [(1, 2)]
    assert (verified(tables).complete, retired(tables)[1]) == (True, (NAME, 1, 7))


def test_rows_that_came_again_when_a_table_was_mended_go_again_and_count_once(tables: Path) -> None:
    rows = rows_of(place(tables)).filter(pc.field("event_day") == FIRST)
    pass_days(tables, 1)
    for again in (rows, rows.filter(pc.field("source_offset") == 0)):  # all of a link's, and some
        LogTable(place(tables)).append(again, "driftline/repair")
        assert not verified(tables).complete
        pass_days(tables, 1)
        assert (rows_by_day(tables), verified(tables).complete) == ([(1, 2)], True)
    pass_days(tables, 2)
    assert (rows_by_day(tables), verified(tables).complete) == ([], True)


def test_rows_that_are_lost_beside_them_are_a_fault(tables: Path) -> None:
    DeltaTable(place(tables).path).delete("source_offset = 1 and source_row = 2")
    pass_days(tables, 1)
    DeltaTable(place(tables).path).delete("source_offset = 2 and source_row = 2")
    found = verified(tables)
    assert [(fault.first, fault.what) for fault in found.faults] == [
        (0, f"{NAME}: 0 rows, 6 were logged; no table has offsets 0 to 1 (2 messages)"),
        (2, f"{NAME}: 1 rows, 3 were logged"),
    ]
    assert found.report.problems == (f"{NAME}: 1 rows, where its links and newest commits count 3",)


async def test_messages_that_never_came_are_missing_still(tables: Path) -> None:
    await log_messages(tables, replace(message_of(5, (9, 9, 9)), offset=3))
    pass_days(tables, 1)
    found = verified(tables)
    producer = found.report.producers[0]
    assert (found.complete, found.faults) == (False, ())
    assert (producer.messages, producer.missing_messages, producer.missing_rows) == (4, 2, 6)
    assert producer.holes == ("messages 0 to 4 with 15 rows, of which 3 messages with 9 rows may have been retired",)


def test_a_pinned_version_stays_as_it_was_and_files_of_others_go(tables: Path, tmp_path: Path) -> None:
    label(tables, rows_of(place(tables)))
    pin = snapshot(tables)
    assert pin.rows == 9
    train_on(tmp_path / "bundles", pin)
    compact(LogTable(place(tables)))  # into a file that nobody has pinned
    before = data_files(tables / NAME)
    upkeep = Upkeep(tables, tmp_path / "bundles", Kept(0.05, Retention(book(tables), KEEP)), 1, lambda _: None)
    upkeep.clean_all()
    years_pass(tables)
    upkeep.clean_all()
    assert (rows_by_day(tables), len(before - data_files(tables / NAME))) == ([], 1)
    assert read_snapshot(tables, MODEL, pin).pin == pin


def test_who_asks_for_days_that_are_over_is_told(tables: Path) -> None:
    assert retired_predictions(tables, MODEL) is None
    bounds = Bounds(START, FAR, FAR, None, "left")
    assert pin_snapshot(tables, MODEL, bounds).retired is None
    pass_days(tables, 1)
    with pytest.raises(InvalidInput, match=r"start: rows of 2013-03-01 to 2013-03-01 were retired"):
        pin_snapshot(tables, MODEL, bounds)
    all_there_is = pin_snapshot(tables, MODEL, bounds, all_there_is=True)
    assert "KEEP_DAYS=3" in (all_there_is.retired or "")
    later = pin_snapshot(tables, MODEL, replace(bounds, start=START + timedelta(days=1)))
    assert (len(later), later.retired, later.pin.row_hash) == (2, None, all_there_is.pin.row_hash)
    replayed = retired_predictions(tables, MODEL)
    assert replayed is not None
    assert (replayed.rows, replayed.first_day, replayed.last_day) == (7, FIRST, FIRST)


def test_forgetting_and_retention_keep_each_others_account(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = Forgetting(tables, KeyStore(tmp_path / "keys"))

    def forget(entity: str) -> int:
        return sum(each.rows for each in orders.carry_out(orders.order(entity, None, "admin"), entity).tables)

    with monkeypatch.context() as patched:
        meanwhile(patched, place(tables).path, lambda: pass_days(tables, 1))
        assert forget("N21") == 1
    assert (rows_by_day(tables), verified(tables).faults) == ([(1, 2)], ())
    pass_days(tables, 2)
    assert (rows_by_day(tables), verified(tables).faults) == ([], ())


def test_pairs_go_after_their_predictions_and_when_they_are_surely_published(tables: Path) -> None:
    row: dict[str, Any] = dict.fromkeys(OUTCOMES.names)
    row |= {name: 0 for name in OUTCOMES.names if name in INDEXED} | {"event_time": START, "event_day": FIRST}
    pair, place_of = pa.Table.from_pylist([row | {"log_time": START}], schema=OUTCOMES), tables / MODEL / "outcomes"
    LogTable(Place(place_of, OUTCOMES)).append(pair, "pairs")
    pass_days(tables, 1)
    assert len(DeltaTable(place_of).to_pyarrow_table()) == 1
    later = datetime.now(UTC) + timedelta(hours=2)
    Retention(book(tables), KEEP, now=lambda: later).retire_all()
    assert (len(DeltaTable(place_of).to_pyarrow_table()), verified(tables).complete) == (0, True)
