"""The hash chain: what was committed is in it, also after a crash, and whatever is changed afterwards is named."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from services.feature_logging.domain.predictions import Message, prediction_rows
from services.feature_logging.store.compaction import compact
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.links import Link, from_table, units
from shared.feature_log.proof.messages import held
from shared.feature_log.proof.reports import Fault, Wanted
from shared.feature_log.proof.restated import Restated
from shared.feature_log.proof.verify import verify
from shared.feature_log.schema import proof_path
from shared.kafka.admin import LABELS as LABELS_TOPIC
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    LOGGED_MS,
    TOPIC,
    batch,
    definition,
    intake,
    label_message,
    message,
    origin,
    place,
    prediction_message,
)
from tests.unit.feature_logging.tampering import add, change, remove

PREDICTIONS, LABELS = (TOPIC, 0), (LABELS_TOPIC, 0)
READ = {PREDICTIONS: 99, LABELS: 99}  # by what Kafka says, or as far as the tables hold it
HOUR_MS = 3_600_000
ROW = "source_offset = 2 and source_row = 1"


async def take(worker: Intake, *offsets: int) -> None:
    """Predictions, of which every fifth message is rubbish, and as many labels; half an hour from each to the next."""
    for offset in offsets:
        at = LOGGED_MS + offset * HOUR_MS // 2
        if offset % 5 == 4:
            await worker.reject(replace(message(b"", offset), timestamp_ms=at), "empty")
        else:
            await worker.handle(replace(prediction_message(offset), timestamp_ms=at))
        await worker.handle(replace(label_message(offset), timestamp_ms=at))


async def _prove(tables: Path) -> None:
    worker = intake(tables)
    for offsets in ((0, 1, 2), (3, 4), (5, 6, 7)):
        await take(worker, *offsets)
        await worker.flush()
    await worker.assigned({PREDICTIONS: 0, LABELS: 0}, READ)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log whose chain has links of several hours and flushes."""
    tables = tmp_path_factory.mktemp("proved")
    asyncio.run(_prove(tables))
    return tables


@pytest.fixture
def proved(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_once, tmp_path / "tables"))


def links(tables: Path) -> list[Link]:
    return from_table(DeltaTable(proof_path(tables)).to_pyarrow_table())


def faults(tables: Path, *heads: str) -> list[Fault]:
    log = open_log(tables)
    return list(verify(log, completeness(log), heads, Restated()).faults)


def spans(tables: Path) -> list[tuple[str, int, int, int]]:
    return [(link.topic, link.span.first, link.span.last, link.span.rows) for link in links(tables)]


def test_every_committed_row_is_in_a_link_of_its_hour(proved: Path) -> None:
    ours = [(first, last, rows) for topic, first, last, rows in spans(proved) if topic == TOPIC]
    assert ours == [(0, 1, 6), (2, 3, 6), (4, 5, 3), (6, 7, 6)]
    assert [link.span.rejected for link in links(proved) if link.topic == TOPIC] == [0, 0, 1, 0]
    assert faults(proved) == []
    report = completeness(open_log(proved))
    assert report.complete
    assert [(part.proven, part.next_offset, part.head) for part in report.partitions] == [
        (8, 8, links(proved)[at].hash) for at in (3, 7)
    ]
    assert [hour.rows for hour in report.partitions[1].hours] == [6, 6, 3, 6]


async def test_after_a_crash_the_links_are_made_of_the_tables_and_are_the_same(proved: Path, tmp_path: Path) -> None:
    whole, crashed = proved, tmp_path
    for offsets in ((0, 1, 2), (3, 4), (5, 6, 7)):
        worker = intake(crashed)  # each is killed before it has made a link
        await take(worker, *offsets)
        await worker.flush()
    assert not proof_path(crashed).exists()
    assert completeness(open_log(crashed)).partitions[0].hours == completeness(open_log(whole)).partitions[0].hours
    await intake(crashed).assigned({PREDICTIONS: 0, LABELS: 0}, READ)
    assert faults(crashed) == []
    assert spans(crashed) == spans(whole)


async def test_what_a_crash_left_of_a_flush_is_in_no_link_before_all_of_it_is_read_again(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    worker = intake(tables)
    await take(worker, 0, 1, 2, 3, 4, 5)
    await worker.flush()
    shutil.rmtree(tables / "_rejected")  # as if it had died before this commit
    again = intake(tables)
    await again.assigned({PREDICTIONS: 0, LABELS: 0}, {PREDICTIONS: 2, LABELS: 2})
    assert [(topic == TOPIC, first, last) for topic, first, last, _ in spans(tables)] == [(False, 0, 1), (True, 0, 1)]
    await take(again, 2, 3, 4, 5, 6)
    await again.flush()
    await again.assigned({PREDICTIONS: 0, LABELS: 0}, READ)
    assert [(first, last) for topic, first, last, _ in spans(tables) if topic == TOPIC] == [
        (0, 1),
        (2, 3),
        (4, 5),
        (6, 6),
    ]
    assert faults(tables) == []
    assert completeness(open_log(tables)).complete


async def test_links_follow_on_each_other_from_one_worker_to_the_next(proved: Path) -> None:
    worker = intake(proved)
    await worker.assigned({PREDICTIONS: 0, LABELS: 0}, READ)
    await take(worker, 8, 9)
    await worker.flush()
    await worker.assigned({PREDICTIONS: 0, LABELS: 0}, READ)
    assert [first for topic, first, *_ in spans(proved) if topic == TOPIC] == [0, 2, 4, 6, 8]
    assert faults(proved) == []


def test_compaction_and_new_columns_change_no_content(proved: Path) -> None:
    for kind in ("predictions", "labels"):
        wider = Pending(pa.schema([*place(proved, kind).schema, ("gust", pa.float32())]))
        wider.add(wider.schema.empty_table(), "a new version", judged=0, version=1)
        table = LogTable(place(proved, kind))
        table.commit(wider)
        assert "gust" in table.schema.names
    assert compact(table) == 3
    assert faults(proved) == []


@pytest.mark.parametrize(
    ("tamper", "offsets", "said"),
    [
        (change("flights/predictions", ROW, wind="99.0"), (2, 3), "flights/predictions: the values of its 6 rows"),
        (change("flights/predictions", ROW, entity="NULL"), (2, 3), "flights/predictions: the values of its 6 rows"),
        (change("flights/labels", "source_offset = 7", value="0.5"), (6, 7), "labels: the values of its 4 rows"),
        (change("_rejected", '"offset" = 4', reason="'none'"), (4, 5), "_rejected: the values"),
        (remove("flights/predictions", "source_offset = 3 and source_row = 2"), (2, 3), "5 rows, 6 were logged"),
        (remove("flights/predictions", "source_offset = 3"), (2, 3), "no table has offsets 3 to 3 (1 messages)"),
        (remove("_rejected", '"offset" = 4'), (4, 5), "_rejected: 0 rows, 1 were logged; no table has offsets 4 to"),
        (add(2, 3), (2, 3), "flights/predictions: 7 rows, 6 were logged"),
        (change("_proof", "\"first\" = 2", rows="7"), (2, 3), "the link was changed"),
        (remove("_proof", "\"first\" = 2"), (4, 5), "the link before it is gone or was changed"),
        (remove("_proof", "\"first\" = 2"), (2, 3), "rows that are in no link"),
        (remove("_proof", "\"first\" = 6"), (6, 7), "links are gone: they end before offset 6"),
    ],
)  # fmt: skip
def test_what_is_changed_afterwards_is_found_and_named(
    proved: Path, tamper: Callable[[Path], object], offsets: tuple[int, int], said: str
) -> None:
    tamper(proved)
    found = [fault for fault in faults(proved) if said in fault.what]
    assert {(fault.first, fault.last) for fault in found} == {offsets}
    assert all(fault.partition == 0 for fault in found)


def test_a_value_changed_by_one_bit_in_one_row_is_found_in_that_hour_alone(proved: Path) -> None:
    change("flights/predictions", "source_offset = 5 and source_row = 0", wind="wind + 0.001")(proved)
    (fault,) = faults(proved)
    assert (fault.topic, fault.hour) == (TOPIC, links(proved)[6].span.hour)


async def test_a_chain_that_was_cut_and_made_anew_is_found_by_a_hash_kept_elsewhere(proved: Path) -> None:
    kept = [part.head or "" for part in completeness(open_log(proved)).partitions]
    assert faults(proved, *kept) == []
    where = Place(proof_path(proved), LogTable(Place(proof_path(proved), pa.schema([]))).schema)
    DeltaTable(where.path).delete()
    change("flights/predictions", "source_offset = 2", wind="99.0")(proved)
    for entry in where.path.rglob("*"):
        if entry.is_file():
            entry.unlink()
    await intake(proved).assigned({PREDICTIONS: 0, LABELS: 0}, READ)
    assert faults(proved) == []  # alone it can't know
    assert [kept[1] in fault.what for fault in faults(proved, *kept)] == [True]


def test_rows_beyond_the_chain_are_counted_as_they_are(proved: Path) -> None:
    add(20)(proved)
    report = completeness(open_log(proved)).partitions[1]
    assert [(gap.first, gap.last) for gap in report.gaps] == [(8, 19)]
    assert "the next offset by the tables' commits is 8, their rows end before 21" in report.problems


@pytest.mark.parametrize("checkpoint", [False, True])
async def test_a_partition_of_which_all_rows_are_gone_before_a_link_was_made_is_missing(
    tmp_path: Path, checkpoint: bool
) -> None:
    worker = intake(tmp_path)
    for partition in (0, 3):
        await worker.handle(prediction_message(0, partition))
    await worker.flush()
    remove("flights/predictions", "source_partition = 3")(tmp_path)
    if checkpoint:
        DeltaTable(tmp_path / "flights/predictions").create_checkpoint()
    report = completeness(open_log(tmp_path))
    assert [(each.partition, each.complete) for each in report.partitions] == [(0, True), (3, False)]
    assert "the next offset by the tables' commits is 1, but no table has a row" in report.partitions[1].problems[0]
    assert not report.complete


@pytest.mark.parametrize("part", [Wanted(), Wanted(*PREDICTIONS), Wanted(end=datetime.min.replace(tzinfo=UTC))])
def test_rows_removed_from_proven_hours_are_noticed_without_reading_them(proved: Path, part: Wanted) -> None:
    remove("flights/predictions", "source_offset = 3")(proved)
    assert completeness(open_log(proved), Wanted(LABELS_TOPIC)).complete
    report = completeness(open_log(proved), part)
    assert report.problems == ("flights/predictions: 18 rows, where its links and newest commits count 21",)
    assert not report.complete


def test_messages_of_one_flush_have_one_digest_whatever_the_order_of_rows_and_chunks() -> None:
    rows = prediction_rows([Message(batch(3), origin(offset)) for offset in range(4)], definition(), CATEGORIES)
    mixed = pa.concat_tables([rows.slice(at, 1) for at in (11, 3, 0, 7, 1, 2, 10, 9, 8, 4, 6, 5)])
    assert units(0, [held("flights/predictions", rows)]) == units(0, [held("flights/predictions", mixed)])
