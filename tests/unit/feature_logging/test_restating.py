"""Forgetting is no fault of the hash chain; what else was changed stays one."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from services.feature_logging.models import Known
from services.feature_logging.store.forgetting.concealing import Concealer
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.restating import Book
from services.feature_logging.stream.intake import Intake
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.links import from_table, parts_between, parts_of
from shared.feature_log.proof.reading import read_held
from shared.feature_log.proof.restated import restated, restated_path
from shared.feature_log.proof.verify import verify
from shared.feature_log.schema import proof_path
from shared.kafka.admin import LABELS as LABELS_TOPIC
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    TOPIC,
    definition,
    feature_log,
    label_message,
    place,
    prediction_message,
)

ROW = "source_offset = 0 and source_row = 2"
SOURCES = {(TOPIC, 0): 0, (LABELS_TOPIC, 0): 0}


def intake(tables: Path, log: FeatureLog | None = None) -> Intake:
    keys = KeyStore(tables.parent / "keys")
    concealer = Concealer(tables, keys)
    known = Known(definition(), CATEGORIES, keys, concealer.predictions)
    return Intake(log or feature_log(tables), lambda _: known, concealer)


def forget(tables: Path, entity: str) -> int:
    forgetting = Forgetting(tables, KeyStore(tables.parent / "keys"))
    return sum(each.rows for each in forgetting.carry_out(forgetting.order(entity, None, "local-admin"), entity).tables)


def faults(tables: Path, *heads: str, keys: bool = True) -> list[str]:
    log, secret = open_log(tables), KeyStore(tables.parent / "keys").secret if keys else None
    return [fault.what for fault in verify(log, completeness(log), heads, restated(tables, secret)).faults]


@pytest.fixture
async def tables(tmp_path: Path) -> Path:
    """Two messages of three rows, of which N1 and N1001 have one each, and labels; all in links of the chain."""
    tables = tmp_path / "tables"
    worker = intake(tables)
    for offset in (0, 1):
        await worker.handle(prediction_message(offset))
        await worker.handle(label_message(offset))
        await worker.flush()
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tables) == []
    return tables


async def test_the_chain_holds_after_each_of_two_entities_is_forgotten(tables: Path) -> None:
    for entity in ("N1", "N1001"):
        assert forget(tables, entity) == 1
        assert faults(tables) == []
    assert (len(restated(tables).parts), len(restated(tables).records)) == (1, 2)  # one link, restated twice
    worker = intake(tables)
    await worker.handle(prediction_message(2))
    await worker.flush()
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tables) == []


async def test_links_are_made_however_often_an_order_comes_between_them(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    worker = intake(tables, FeatureLog(tables, Limits(1_000_000, 1_000, prove_seconds=0), lambda _: None))
    await worker.handle(prediction_message(0))
    await worker.flush()
    for offset in (1, 2):
        await worker.handle(prediction_message(offset))
        forget(tables, "N1")
        await worker.flush()
        assert open_log(tables).proven((TOPIC, 0)) == offset + 1
    assert faults(tables) == []


async def test_orders_are_looked_for_where_commits_are_made_and_not_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(
        "services.feature_logging.store.proof.last_change", lambda _: looked.append(threading.current_thread().name)
    )
    worker = intake(tmp_path / "tables")
    assert looked == []
    await worker.handle(prediction_message(0))
    await worker.flush()
    assert set(looked) == {"feature-log_0"}


async def test_what_was_changed_before_is_a_fault_still(tables: Path) -> None:
    DeltaTable(place(tables).path).update(updates={"latency_us": "1"}, predicate=ROW)
    assert len(faults(tables)) == 1
    forget(tables, "N1")
    assert len(faults(tables)) == 1


async def test_records_in_a_lost_file_are_gone_and_the_others_are_read(tables: Path) -> None:
    forget(tables, "N1")
    first = DeltaTable(restated_path(tables)).file_uris()
    forget(tables, "N1001")
    os.unlink(first[0])
    left = restated(tables, None, open_log(tables).damages["_restated"])
    assert [each.number for each in left.records] == [1]
    assert "does not follow on the one before it" in next(left.faults())


async def test_what_is_changed_afterwards_is_a_fault(tables: Path) -> None:
    forget(tables, "N1")
    DeltaTable(place(tables).path).update(updates={"latency_us": "1"}, predicate=ROW)
    assert len(faults(tables)) == 1


async def test_rows_that_were_forgotten_before_they_were_in_a_link_are_no_fault(tmp_path: Path) -> None:
    worker = intake(tmp_path / "tables")
    await worker.handle(prediction_message(0))
    await worker.flush()
    assert forget(tmp_path / "tables", "N1") == 1
    await worker.assigned(SOURCES, dict.fromkeys(SOURCES, 99))
    assert faults(tmp_path / "tables") == []
    assert restated(tmp_path / "tables").records == ()


def change(**values: str) -> Callable[[Path], object]:
    return lambda path: DeltaTable(path).update(updates=values, predicate="number = 0")


def forge(path: Path) -> None:
    """As who can write the tables does it: a record that follows on the last, by which changed rows are right."""
    tables = path.parent
    DeltaTable(place(tables).path).update(updates={"latency_us": "1"}, predicate=ROW)
    theirs = KeyStore(tables.parent / "other keys")
    link = next(link for link in from_table(DeltaTable(proof_path(tables)).to_pyarrow_table()) if link.topic == TOPIC)
    (rows,) = read_held(open_log(tables), (TOPIC, 0), link.span.first, link.span.last)
    ends = [*(cut - 1 for cut in link.cuts[1:]), link.span.last]
    (part,) = parts_of([parts_between(*unit, [rows]) for unit in zip(link.cuts, ends, strict=True)])
    Book(tables, theirs).write("a lie", [(link, part)])


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (change(content="'0'"), "record 0 of _restated was changed: its hash is not that of what it says"),
        (change(hash="'0'"), "record 0 of _restated was changed: its hash"),
        (change(seal="'0'"), "record 0 of _restated is forged: it was not sealed with the feature log's key"),
        (change(number="7"), "record 1 of _restated does not follow on the one before it"),
        (lambda path: DeltaTable(path).delete("number = 0"), "record 1 of _restated does not follow on the one before"),
        (lambda path: DeltaTable(path).delete("number = 1"), "records of _restated are gone, or were added: they end"),
        (forge, "record 2 of _restated is forged"),
        (forge, "flights/predictions: the values of its 6 rows are not those that were logged"),
    ],
)
async def test_a_record_that_was_changed_removed_or_forged_is_found(
    tables: Path, tamper: Callable[[Path], object], said: str
) -> None:
    for entity in ("N1", "N1001"):
        forget(tables, entity)
    tamper(restated_path(tables))
    assert [what for what in faults(tables) if said in what]


async def test_without_keys_records_made_anew_are_found_by_their_head(tables: Path) -> None:
    forget(tables, "N1")
    head = restated(tables).head
    assert faults(tables, head, keys=False) == []
    shutil.rmtree(restated_path(tables))
    forge(restated_path(tables))
    assert faults(tables, keys=False) == []  # alone it can't know
    assert [head in what for what in faults(tables, head, keys=False)] == [True]
    assert [what for what in faults(tables) if "forged" in what]
